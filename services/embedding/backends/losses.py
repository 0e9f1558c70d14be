"""What each number type loses on the embedding service's models: `python -m services.embedding.backends.losses`."""

from __future__ import annotations

import sys

from services.embedding.backends.bi_encoder import kind_of
from services.embedding.settings import EmbeddingSettings
from services.models.backends import losses
from services.models.models import locate

if __name__ == "__main__":
    sys.exit(
        losses.main(
            "embedding",
            lambda: EmbeddingSettings.load().models,
            lambda model: locate(model.source, wanted=model.revision),
            kind_of,
        )
    )
