"""Random models of each architecture that the graph builder knows, with shapes that no rule of thumb fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{one}" for one in LETTERS)]
_FAIRSEQ_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_SIZES = {"hidden_size": 36, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 44}
_SMALL_STD = 0.3


def _numbered(tokens: Sequence[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}


def _bert() -> Any:
    return transformers.BertTokenizer(vocab=_numbered(_BERT_TOKENS))


def _distilbert() -> Any:
    return transformers.DistilBertTokenizer(vocab=_numbered(_BERT_TOKENS))


def _mpnet() -> Any:
    tokens = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>", *LETTERS, *(f"##{one}" for one in LETTERS)]
    return transformers.MPNetTokenizer(vocab=_numbered(tokens))


def _roberta() -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return transformers.RobertaTokenizer(vocab=_numbered([*_FAIRSEQ_TOKENS, *alphabet]), merges=[])


def _xlm_roberta() -> Any:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS, "<mask>"]
    return transformers.XLMRobertaTokenizer(vocab=[(piece, -float(rank)) for rank, piece in enumerate(pieces)])


def _modernbert() -> Any:
    tokenizer = Tokenizer(models.WordLevel(_numbered(_BERT_TOKENS), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="[PAD]", model_input_names=["input_ids", "attention_mask"]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """An architecture with odd sizes."""

    name: str
    """What transformers calls its classes: BertModel, BertConfig, BertForSequenceClassification."""
    tokenizer: Callable[[], Any]
    config: Mapping[str, Any] = field(default_factory=lambda: dict(_SIZES))
    max_tokens: int = 40
    """Most tokens that its positions leave room for."""

    def make_config(self, **more: Any) -> Any:
        """Its configuration."""
        return getattr(transformers, f"{self.name}Config")(**{**self.config, **more})

    def make_bi_encoder(self, folder: Path, **more: Any) -> Path:
        """A model without modules.json, and its tokenizer."""
        return self._save(folder, f"{self.name}Model", self.make_config(**more))

    def make_cross_encoder(self, folder: Path, *, labels: int = 1, **more: Any) -> Path:
        """The same with a head."""
        return self._save(folder, f"{self.name}ForSequenceClassification", self.make_config(num_labels=labels, **more))

    def _save(self, folder: Path, kind: str, config: Any) -> Path:
        torch.manual_seed(0)
        tokenizer = self.tokenizer()
        config.vocab_size = len(tokenizer)
        model = getattr(transformers, kind)(config)
        randomize(model)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder


def randomize(model: torch.nn.Module) -> None:
    """Every weight by chance: new models have ones and zeros where a mistake would not show."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0, _SMALL_STD)


_ROBERTA_SIZES = {**_SIZES, "max_position_embeddings": 42}
VARIANTS: Mapping[str, Variant] = {
    "bert": Variant(name="Bert", tokenizer=_bert, config={**_SIZES, "max_position_embeddings": 40}),
    "bert-odd-heads": Variant(
        name="Bert",
        tokenizer=_bert,
        config={
            "hidden_size": 35,
            "num_hidden_layers": 1,
            "num_attention_heads": 5,
            "intermediate_size": 3,
            "max_position_embeddings": 40,
            "type_vocab_size": 3,
            "hidden_act": "gelu_new",
            "layer_norm_eps": 0.1,
        },
    ),
    "roberta": Variant(name="Roberta", tokenizer=_roberta, config={**_ROBERTA_SIZES, "type_vocab_size": 1}),
    "roberta-two-types": Variant(name="Roberta", tokenizer=_roberta, config=_ROBERTA_SIZES),
    "xlm-roberta": Variant(name="XLMRoberta", tokenizer=_xlm_roberta, config={**_ROBERTA_SIZES, "type_vocab_size": 1}),
    "camembert": Variant(name="Camembert", tokenizer=_xlm_roberta, config={**_ROBERTA_SIZES, "type_vocab_size": 1}),
    "distilbert": Variant(
        name="DistilBert",
        tokenizer=_distilbert,
        config={
            "dim": 36,
            "n_layers": 2,
            "n_heads": 3,
            "hidden_dim": 44,
            "max_position_embeddings": 40,
            "activation": "relu",
        },
    ),
    # Longer than 128, where its distances stop growing.
    "mpnet": Variant(name="MPNet", tokenizer=_mpnet, config={**_SIZES, "max_position_embeddings": 182}, max_tokens=180),
    "modernbert": Variant(
        name="ModernBert",
        tokenizer=_modernbert,
        config={
            **_SIZES,
            "num_hidden_layers": 5,
            "local_attention": 9,
            "max_position_embeddings": 40,
            "pad_token_id": 0,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "cls_token_id": 2,
            "sep_token_id": 3,
        },
    ),
    "modernbert-biases": Variant(
        name="ModernBert",
        tokenizer=_modernbert,
        config={
            **_SIZES,
            "num_hidden_layers": 3,
            "local_attention": 4,
            "max_position_embeddings": 40,
            "pad_token_id": 0,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "cls_token_id": 2,
            "sep_token_id": 3,
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "classifier_bias": True,
            "classifier_pooling": "mean",
            "classifier_activation": "silu",
        },
    ),
}


def add_modules(folder: Path, *modules: tuple[str, Mapping[str, Any]], max_tokens: int | None = None) -> None:
    """Write modules.json and a folder for each module after the transformer.

    Args:
        folder: of the transformer.
        modules: class names in sentence-transformers, each with its config.
        max_tokens: the model's own limit.
    """
    entries = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for index, (kind, config) in enumerate(modules, start=1):
        path = f"{index}_{kind}"
        write_json(folder / path / "config.json", config)
        entries.append({"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"})
    write_json(folder / "modules.json", entries)
    if max_tokens:
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens})


def change_json(path: Path, **entries: Any) -> None:
    """Set entries of a JSON file's object."""
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **entries})


def write_json(path: Path, content: object) -> None:
    """Write a JSON file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
