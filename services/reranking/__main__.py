"""Run the reranking service: `python -m services.reranking`."""

import sys

from services.common.lifecycle import run_service
from services.reranking.app import build
from services.reranking.settings import RerankingSettings

if __name__ == "__main__":
    sys.exit(run_service(RerankingSettings, build))
