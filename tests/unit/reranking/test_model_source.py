from __future__ import annotations

from pathlib import Path

import pytest

from services.common.errors import StartupError
from services.reranking.backends.development import location
from services.reranking.backends.loading import load
from services.reranking.backends.source import find_model
from services.reranking.settings import RerankingModelSettings, RerankingSettings

TAGGED = "---\nlibrary_name: sentence-transformers\ntags: [cross-encoder, development-only]\n---\n# A model\n"
UNTAGGED = "---\ntags: [cross-encoder]\n---\n# A model that is not development-only\n"


def make_model(folder: Path, card: str | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors", "modules.json"):
        (folder / name).write_text("{}")
    if card is not None:
        (folder / "README.md").write_text(card)
    return folder


def named(source: str, **options: str) -> RerankingModelSettings:
    return RerankingModelSettings(**{"id": "some-model", "source": source, **options})


@pytest.fixture(autouse=True)
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLANE_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


def test_the_development_source_is_where_just_models_puts_the_model(models_dir: Path) -> None:
    folder = make_model(models_dir / f"development-reranker-{location.fingerprint()}", TAGGED)

    found = find_model(RerankingSettings().models[0])

    assert (found.folder, found.development_only) == (folder, True)


def test_a_development_model_that_was_not_made_says_how_to_make_it(models_dir: Path) -> None:
    with pytest.raises(StartupError) as raised:
        find_model(named("development"))

    assert str(models_dir) in str(raised.value)
    assert "run `just models`" in str(raised.value)
    assert "name a cross-encoder of your own" in str(raised.value)


@pytest.mark.parametrize(
    ("card", "expected"), [(TAGGED, True), (UNTAGGED, False), ("development-only", False), ("", False), (None, False)]
)
def test_the_tag_of_the_model_card_tells_a_development_model(tmp_path: Path, card: str | None, expected: bool) -> None:
    folder = make_model(tmp_path / "elsewhere", card)

    assert find_model(named(f"path:{folder}")).development_only is expected


def test_another_model_must_not_go_by_the_development_models_name(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "elsewhere", UNTAGGED)

    with pytest.raises(StartupError, match="is another model; give it an id of its own"):
        load(RerankingSettings(), named(f"path:{folder}", id="development-reranker"))


def test_a_revision_is_checked_also_of_the_development_model(models_dir: Path) -> None:
    make_model(models_dir / f"development-reranker-{location.fingerprint()}", TAGGED)

    with pytest.raises(StartupError, match="and abc is asked for"):
        find_model(named("development", revision="abc"))
