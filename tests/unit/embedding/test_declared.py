"""What a bi-encoder's files declare, and what the settings say over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import StartupError
from services.embedding.backends.base import InputType
from services.embedding.backends.declared import Declared, read_declared
from services.embedding.settings import EmbeddingModelSettings

OWN = {"prompts": {"query": "q: ", "passage": "p: "}}


def declared(
    folder: Path,
    *,
    own: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    pooling: dict[str, Any] | None = None,
    dimensions: int = 384,
    **settings: Any,
) -> Declared:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    files = {"config_sentence_transformers.json": own, "config.json": config, "1_Pooling/config.json": pooling}
    for name, content in files.items():
        if content is not None:
            (folder / name).write_text(json.dumps(content))
    model = EmbeddingModelSettings(id="m", source=f"path:{folder}", **settings)
    return read_declared(model, folder, dimensions=dimensions)


@pytest.mark.parametrize(
    ("own", "settings", "query", "document", "plain"),
    [
        (None, {}, "", "", ""),
        (OWN, {}, "q: ", "p: ", ""),
        ({"prompts": {"document": "d: ", "passage": "p: "}}, {}, "", "d: ", ""),
        ({"prompts": {"document": "", "passage": "p: "}}, {}, "", "p: ", ""),
        ({"prompts": {"query": None, "document": None}}, {}, "", "", ""),
        (OWN | {"default_prompt_name": "query"}, {}, "q: ", "p: ", "q: "),
        (OWN, {"query_prompt": "mine "}, "mine ", "p: ", ""),
        (OWN, {"query_prompt": "", "document_prompt": ""}, "", "", ""),
    ],
)
def test_prompts_are_the_settings_else_the_models_own(
    tmp_path: Path, own: dict[str, Any] | None, settings: dict[str, Any], query: str, document: str, plain: str
) -> None:
    found = declared(tmp_path, own=own, **settings).prompts

    assert found == {InputType.QUERY: query, InputType.DOCUMENT: document, InputType.PLAIN: plain}


def test_a_pooling_that_leaves_the_prompt_out_is_refused_where_there_is_a_prompt(tmp_path: Path) -> None:
    pooling = {"include_prompt": False}

    with pytest.raises(StartupError, match="model m: its pooling leaves the prompt out"):
        declared(tmp_path, own=OWN, pooling=pooling)

    without = declared(tmp_path, own=OWN, pooling=pooling, query_prompt="", document_prompt="")
    assert not any(without.prompts.values())


@pytest.mark.parametrize(
    ("config", "settings", "expected"),
    [
        ({}, (), ()),
        ({"is_matryoshka": False}, (), ()),
        ({"matryoshka_dimensions": [64, 384, 256]}, (), (64, 256)),
        ({"is_matryoshka": True}, (), (48, 96, 192)),
        ({"matryoshka_dimensions": [64]}, (128, 32), (32, 128)),
    ],
)
def test_shorter_vectors_are_offered_only_where_they_are_declared(
    tmp_path: Path, config: dict[str, Any], settings: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    found = declared(tmp_path, config=config, matryoshka_dimensions=settings)

    assert found.matryoshka_dimensions == expected


def test_lengths_over_the_vectors_own_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"matryoshka_dimensions: \[512\] is longer than the vector's 384"):
        declared(tmp_path, matryoshka_dimensions=(64, 512))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config_sentence_transformers.json").write_text("{")

    with pytest.raises(StartupError, match=r"config_sentence_transformers\.json: cannot be read"):
        declared(tmp_path)
