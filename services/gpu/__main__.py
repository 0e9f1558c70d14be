"""Run the GPU service: `python -m services.gpu`."""

import sys

from services.common.lifecycle import run_service
from services.gpu.app import build
from services.gpu.settings import GpuSettings

if __name__ == "__main__":
    sys.exit(run_service(GpuSettings, build))
