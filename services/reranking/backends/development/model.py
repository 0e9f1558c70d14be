"""The development reranker as a model: MiniLM reads both texts apart, and a small transformer compares their tokens.

Reading apart gives exactly the token vectors of the bi-encoder, so the score begins as its cosine; training adds what
the tokens of both texts say of each other. All-at-once attention, as published cross-encoders have it, would have to
be learned from far more text than minutes allow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Module, Transformer
from torch import Tensor, nn
from torch.nn import functional
from transformers.utils.logging import disable_progress_bar

MOST_TOKENS = 512
WIDTH, HEADS, LAYERS, FEED_FORWARD = 384, 12, 2, 768

_COSINE_WEIGHT, _COSINE_BIAS = 12.0, -4.0
"""Where training begins: a cosine of 1/3 is as good as not."""


class SeparateTransformer(Transformer):
    """A transformer that reads the two texts of a pair apart, each as if it stood alone.

    Writes `query`, `query_mask`, `passage` and `passage_mask`: token vectors, float of shape (pairs, tokens, width),
    and masks of shape (pairs, tokens).
    """

    def forward(self, features: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """Split the pairs by `token_type_ids` and read each side."""
        ids, mask, types = (features[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
        is_query = (mask == 1) & (types == 0)
        query, query_mask = _query_alone(ids, is_query)
        passage, passage_mask = _passage_alone(ids, mask, is_query)
        chosen, places = _distinct(query * query_mask)
        read = {
            "query": self._read(query[chosen], query_mask[chosen])[places],
            "query_mask": query_mask,
            "passage": self._read(passage, passage_mask),
            "passage_mask": passage_mask,
        }
        return {**features, **read}

    def _read(self, ids: Tensor, mask: Tensor) -> Tensor:
        states: Tensor = self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return states


class Interaction(Module):
    """Scores a pair by its token vectors: the cosine of their means, and what a small transformer reads of both."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.side = nn.Parameter(0.02 * torch.randn(2, WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, FEED_FORWARD, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.read = nn.Linear(2 * WIDTH, 1)
        self.cosine = nn.Parameter(torch.tensor([_COSINE_WEIGHT, _COSINE_BIAS]))
        # At first only the cosine speaks.
        nn.init.zeros_(self.read.weight)
        nn.init.zeros_(self.read.bias)

    def forward(self, features: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """Write `scores`: one logit per pair, float of shape (pairs, 1)."""
        scores = self.score(features["query"], features["query_mask"], features["passage"], features["passage_mask"])
        features["scores"] = scores[:, None]
        return features

    def score(self, query: Tensor, query_mask: Tensor, passage: Tensor, passage_mask: Tensor) -> Tensor:
        """One logit per pair of token vectors and masks, as `SeparateTransformer` writes them."""
        sides = functional.normalize(_mean(query, query_mask)), functional.normalize(_mean(passage, passage_mask))
        cosine = (sides[0] * sides[1]).sum(1)
        tokens = torch.cat([self.norm(query) + self.side[0], self.norm(passage) + self.side[1]], 1)
        mask = torch.cat([query_mask, passage_mask], 1)
        states = self.layers(tokens, src_key_padding_mask=~mask)
        cut = query.shape[1]
        means = torch.cat([_mean(states[:, :cut], query_mask), _mean(states[:, cut:], passage_mask)], 1)
        logits: Tensor = self.cosine[0] * cosine + self.cosine[1] + self.read(means).squeeze(-1)
        return logits

    def save(self, output_path: str, *_arguments: Any, safe_serialization: bool = True, **_options: Any) -> None:
        """Write the weights, as the library asks of a module."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)

    @classmethod
    def load(  # type: ignore[override]  # all further options are for the hub, and are passed on
        cls, model_name_or_path: str, subfolder: str = "", **options: Any
    ) -> Self:
        """Read what `save` wrote."""
        kept = {
            name: options[name] for name in ("token", "cache_folder", "revision", "local_files_only") if name in options
        }
        loaded: Self = cls.load_torch_weights(model_name_or_path, subfolder, model=cls(), **kept)
        return loaded


def assemble(reader: SeparateTransformer, head: Interaction, *, device: str = "cpu") -> CrossEncoder:
    """The two modules as a cross-encoder with one logit."""
    reader.model.config.num_labels = 1
    model: CrossEncoder = CrossEncoder(modules=[reader, head], device=device)
    return model


def read_base(folder: Path) -> SeparateTransformer:
    """The bi-encoder's transformer, to read pairs with."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    reader: SeparateTransformer = SeparateTransformer(
        str(folder),
        model_kwargs={"local_files_only": True, "dtype": torch.float32},
        processor_kwargs={"local_files_only": True},
        config_kwargs={"local_files_only": True},
        max_seq_length=MOST_TOKENS,
    )
    return reader


def is_ours(folder: Path) -> bool:
    """True when the model there is made of these modules, which the library by itself refuses to import."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        return [module["type"].rpartition(".")[0] for module in modules] == [__name__, __name__]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def load(folder: Path, *, device: str) -> CrossEncoder:
    """A saved development reranker."""
    (head, *_) = [path.parent for path in sorted(folder.glob("*_Interaction/config.json"))]
    return assemble(read_base(folder), Interaction.load(str(head), local_files_only=True), device=device)


# `longest` and `chosen` stay tensors in these three, so that a trace holds for other batches than the traced one.


def _query_alone(ids: Tensor, is_query: Tensor) -> tuple[Tensor, Tensor]:
    """The columns that the longest query needs."""
    longest = is_query.sum(1).max()
    return ids[:, :longest], is_query[:, :longest]


def _passage_alone(ids: Tensor, mask: Tensor, is_query: Tensor) -> tuple[Tensor, Tensor]:
    """Move the passages to the front, behind the first special token, as the tokenizer writes a text alone."""
    # The query's closing token gives its place to the passage's opening one.
    shift = is_query.sum(1, keepdim=True) - 1
    length = mask.sum(1, keepdim=True)
    longest = (length - shift).max()
    places = torch.arange(ids.shape[1], device=ids.device)[None, :longest] + shift
    moved = ids.gather(1, places.clamp(max=ids.shape[1] - 1))
    return torch.cat([ids[:, :1], moved[:, 1:]], 1), places < length


def _distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of rows that differ, and the place of each row among them: a query comes with many passages."""
    indices = torch.arange(rows.shape[0], device=rows.device)
    same = (rows[:, None] == rows[None]).all(2)
    first = torch.where(same, indices[None], rows.shape[0]).min(1).values
    is_first = first == indices
    return is_first.nonzero()[:, 0], (is_first.cumsum(0) - 1)[first]


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)
