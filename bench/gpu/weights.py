"""Models with random weights in the shapes of real ones, as files that the services load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)
from transformers.utils.logging import disable_progress_bar

from bench.gpu.architectures import MAX_TOKENS, Architecture
from bench.texts import MODEL_SOURCE
from services.models.models import locate

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_MODULES = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}


def make(model: Architecture, folder: Path, *, device: str) -> Path:
    """Write a model with random weights (seed 0) and the packaged tokenizer; nothing to do where it is.

    Args:
        model: its shape.
        folder: under which models are kept.
        device: makes the weights; a GPU takes a tenth of a second where a CPU takes several.
    """
    made = folder / f"{model.name}-{model.layers}x{model.hidden}"
    if (made / "complete").is_file():
        return made
    disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(0)
    with torch.device(device):
        network = _network(model)
    network.save_pretrained(made)
    _add_tokenizer(model, made)
    if not model.is_cross_encoder:
        _add_modules(model, made)
    (made / "complete").touch()
    return made


def _network(model: Architecture) -> Any:
    shape: dict[str, Any] = {
        "hidden_size": model.hidden,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "intermediate_size": model.inner,
        "vocab_size": model.vocabulary,
    }
    if model.is_cross_encoder:
        shape["num_labels"] = 1
    if model.is_roberta:
        roberta = XLMRobertaConfig(**shape, max_position_embeddings=MAX_TOKENS + 2, type_vocab_size=1)
        return XLMRobertaForSequenceClassification(roberta) if model.is_cross_encoder else XLMRobertaModel(roberta)
    bert = BertConfig(**shape, max_position_embeddings=MAX_TOKENS)
    return BertForSequenceClassification(bert) if model.is_cross_encoder else BertModel(bert)


def _add_tokenizer(model: Architecture, folder: Path) -> None:
    source = locate(MODEL_SOURCE)
    for name in _TOKENIZER_FILES:
        shutil.copyfile(source / name, folder / name)
    config = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    inputs = ["input_ids", "attention_mask"] if model.is_roberta else ["input_ids", "token_type_ids", "attention_mask"]
    _write(folder / "tokenizer_config.json", config | {"model_max_length": MAX_TOKENS, "model_input_names": inputs})


def _add_modules(model: Architecture, folder: Path) -> None:
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(_MODULES.items())
    ]
    (folder / "1_Pooling").mkdir()
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": MAX_TOKENS})
    pooling = {"word_embedding_dimension": model.hidden, "pooling_mode_mean_tokens": True}
    _write(folder / "1_Pooling" / "config.json", pooling)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
