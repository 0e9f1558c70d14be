"""A model's tokenizer and what its files say of inputs, as sentence-transformers would resolve them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer, Lowercase, Sequence

from services.models.backends.openvino.graph.config import Config
from services.models.backends.openvino.graph.problems import DamagedError

_LONGEST = 32_768
"""Limit of models that name none. Unit: tokens."""

_LENGTH_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """What a tokenizer's class in transformers settles where the files are silent."""

    padding: str | None = None
    has_types: bool = False
    is_bert: bool = False
    """Its settings decide on case and accents, whatever tokenizer.json says."""


_ROBERTA = _Class(padding="<pad>")
_CLASSES: Mapping[str, _Class] = MappingProxyType(
    {
        "BertTokenizer": _Class(padding="[PAD]", has_types=True, is_bert=True),
        "DistilBertTokenizer": _Class(padding="[PAD]", is_bert=True),
        "MPNetTokenizer": _Class(padding="<pad>", is_bert=True),
        "RobertaTokenizer": _ROBERTA,
        "XLMRobertaTokenizer": _ROBERTA,
        "CamembertTokenizer": _ROBERTA,
    }
)
_BY_MODEL = MappingProxyType(
    {
        "bert": "BertTokenizer",
        "distilbert": "DistilBertTokenizer",
        "mpnet": "MPNetTokenizer",
        "roberta": "RobertaTokenizer",
        "xlm-roberta": "XLMRobertaTokenizer",
        "camembert": "CamembertTokenizer",
    }
)
"""The class of a model whose files name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerFacts:
    """See `services.models.backends.network.ModelFacts`."""

    tokenizer: Tokenizer
    max_tokens: int
    vocabulary: int
    pad_id: int
    has_types: bool
    keeps_end: bool


def read_tokenizer(
    folder: Path, config: Config, *, positions: int, vocabulary: int, has_modules: bool
) -> TokenizerFacts:
    """The tokenizer of a transformer's folder.

    Args:
        folder: with tokenizer.json.
        config: of the transformer.
        positions: `max_position_embeddings`.
        vocabulary: rows of the table of words.
        has_modules: True for a model of sentence-transformers, whose own limit counts.

    Raises:
        DamagedError: a file is missing or damaged.
    """
    settings = Config.read(folder / "tokenizer_config.json")
    own = _own_settings(folder) if has_modules else Config({}, name="")
    tokenizer = _tokenizer(folder)
    kind = _class_of(settings, config)
    if kind.is_bert:
        _apply_bert_settings(tokenizer, settings)
    if own.flag("do_lower_case", default=False):
        _lower(tokenizer)
    pad_id = _pad_id(folder, tokenizer, settings, kind)
    if (most := max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)) >= vocabulary:
        # OpenVINO would take zeros for what the table lacks, without a word.
        raise DamagedError(f"its tokenizer gives ids up to {most}, and the table of words has {vocabulary} rows")
    names = settings.get("model_input_names")
    return TokenizerFacts(
        tokenizer=tokenizer,
        max_tokens=min(_limit(settings, own, positions), _LONGEST),
        vocabulary=min(tokenizer.get_vocab_size(with_added_tokens=True), vocabulary),
        pad_id=pad_id,
        has_types="token_type_ids" in names if isinstance(names, list) else kind.has_types,
        keeps_end=settings.text("truncation_side", "right") == "left",
    )


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise DamagedError("it has no fast tokenizer (tokenizer.json)")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # the library raises nothing more exact
        raise DamagedError(f"{path.name}: {exc}") from exc
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _own_settings(folder: Path) -> Config:
    """The first of sentence-transformers' settings of a transformer that is there."""
    return Config.read(next((folder / name for name in _LENGTH_FILES if (folder / name).is_file()), folder / "-"))


def _class_of(settings: Config, config: Config) -> _Class:
    by_model = _BY_MODEL.get(config.text("model_type", ""), "")
    name = settings.text("tokenizer_class", config.text("tokenizer_class", by_model))
    return _CLASSES.get(name.removesuffix("Fast"), _Class())


def _limit(settings: Config, own: Config, positions: int) -> int:
    if limit := _length(own.get("max_seq_length")):
        return limit
    return min(_length(settings.get("model_max_length") or settings.get("max_len")) or _LONGEST, positions)


def _length(named: Any) -> int | None:
    """A limit; the libraries write 1e30 for none."""
    return int(min(named, _LONGEST)) if isinstance(named, (int, float)) and named >= 1 else None


def _pad_id(folder: Path, tokenizer: Tokenizer, settings: Config, kind: _Class) -> int:
    special = Config.read(folder / "special_tokens_map.json")
    for found in (settings.get("pad_token"), special.get("pad_token"), kind.padding):
        token = found.get("content") if isinstance(found, dict) else found
        if isinstance(token, str) and (number := tokenizer.token_to_id(token)) is not None:
            return int(number)
    return 0


def _apply_bert_settings(tokenizer: Tokenizer, settings: Config) -> None:
    """The library makes the normalizer anew from the settings, so that tokenizer.json's does not count."""
    if isinstance(tokenizer.normalizer, BertNormalizer):
        accents = settings.get("strip_accents")
        tokenizer.normalizer = BertNormalizer(
            clean_text=True,
            handle_chinese_chars=settings.flag("tokenize_chinese_chars", default=True),
            strip_accents=accents if isinstance(accents, bool) else None,
            lowercase=settings.flag("do_lower_case", default=True),
        )


def _lower(tokenizer: Tokenizer) -> None:
    normalizer = tokenizer.normalizer
    tokenizer.normalizer = Lowercase() if normalizer is None else Sequence([Lowercase(), normalizer])
