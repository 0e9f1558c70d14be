"""Run the gateway: `python -m gateway`."""

import sys

from gateway.app import build
from gateway.server import serve
from gateway.settings import GatewaySettings
from services.common.lifecycle import run_process

if __name__ == "__main__":
    sys.exit(run_process(GatewaySettings, lambda settings: serve(settings, build(settings))))
