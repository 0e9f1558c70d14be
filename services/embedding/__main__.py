"""Run the embedding service: `python -m services.embedding`."""

import sys

from services.common.lifecycle import run_service
from services.embedding.app import build
from services.embedding.settings import EmbeddingSettings

if __name__ == "__main__":
    sys.exit(run_service(EmbeddingSettings, build))
