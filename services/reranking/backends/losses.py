"""What each number type loses on the reranking service's models: `python -m services.reranking.backends.losses`."""

from __future__ import annotations

import sys

from services.models.backends import losses
from services.models.models import locate
from services.reranking.backends.cross_encoder import KIND
from services.reranking.settings import RerankingSettings

if __name__ == "__main__":
    sys.exit(
        losses.main(
            "reranking",
            lambda: RerankingSettings.load().models,
            lambda model: locate(model.source, wanted=model.revision),
            lambda _model: KIND,
        )
    )
