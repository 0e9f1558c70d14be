"""The door of the graph builder: a model's folder to a graph, a tokenizer, and facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.common.errors import StartupError
from services.models.backends.kind import Built
from services.models.backends.network import ModelFacts
from services.models.backends.openvino.graph.architectures import Architecture, Shape, architecture_of, shape_of
from services.models.backends.openvino.graph.attention import Attention, bias_by_distance
from services.models.backends.openvino.graph.encoder import Encoder, inputs_of
from services.models.backends.openvino.graph.head import labels_of, scored
from services.models.backends.openvino.graph.layers import Layers, Node
from services.models.backends.openvino.graph.modules import Module, has_list, pooled, read_modules, vector_of
from services.models.backends.openvino.graph.problems import NotKnownError, reported
from services.models.backends.openvino.graph.rotary import read_rotary
from services.models.backends.openvino.graph.source import read_source
from services.models.backends.openvino.graph.tokenizer_files import read_tokenizer
from services.models.backends.openvino.runtime import openvino

_BIAS_ROWS = 32


def build_bi_encoder(model_id: str, folder: Path, *, int8: bool, pooling: str = "") -> Built:
    """A model whose output is one vector for each text, shape (items, dimensions), as its own modules make it.

    Args:
        model_id: name that requests use.
        folder: its files.
        int8: True to round the weights to eight bits.
        pooling: mean, cls or last; empty for the model's own.

    Raises:
        Unbuildable: it has something that is not known here; torch may know it.
        StartupError: its files are missing or damaged.
    """
    with reported(model_id, folder):
        transformer, *rest = read_modules(folder)
        parts = _Parts(transformer, has_modules=has_list(folder), int8=int8)
        states, mask, hidden = parts.states, parts.inputs.mask, parts.shape.hidden
        if has_list(folder):
            vector = vector_of(states, mask, rest, hidden=hidden, pooling=pooling)
        else:
            vector = pooled(states, mask, hidden=hidden, pooling=pooling)
        return parts.built(vector.node, dimensions=vector.size)


def build_cross_encoder(model_id: str, folder: Path, *, int8: bool) -> Built:
    """A model whose output is the scores of each pair, shape (items, labels), before any activation.

    Args:
        model_id: name that requests use.
        folder: its files.
        int8: True to round the weights to eight bits.

    Raises:
        Unbuildable: it has something that is not known here; torch may know it.
        StartupError: its files are missing or damaged, or it gives no scores.
    """
    with reported(model_id, folder):
        transformer, *rest = read_modules(folder)
        parts = _Parts(transformer, has_modules=has_list(folder), int8=int8)
        _check_trained(model_id, folder, parts)
        if rest:
            raise NotKnownError(f"the module {rest[0].kind!r} of a cross-encoder")
        head = parts.architecture.head
        scores = scored(parts.states, parts.inputs.mask, head, parts.shape, parts.config, parts.layers)
        return parts.built(scores, labels=labels_of(head, parts.config, parts.layers))


class _Parts:
    """A transformer's folder as a graph of token states, and what else it holds."""

    def __init__(self, transformer: Module, *, has_modules: bool, int8: bool) -> None:
        source = read_source(transformer.folder)
        self.config = source.config
        self._drop_pages = source.memory.drop_pages
        self.architecture = architecture_of(self.config)
        self.shape = shape_of(self.architecture, self.config)
        self.layers = Layers(source.weights, source.memory, prefix=self.architecture.prefix, int8=int8)
        self._tokens = read_tokenizer(
            transformer.folder,
            self.config,
            positions=self.shape.positions,
            vocabulary=self.shape.vocabulary,
            has_modules=has_modules,
        )
        self.inputs = inputs_of(has_types=self._has_types)
        self.states = self._encoder().states(self.inputs)
        # Rounding and widening read all of the files, and leave nothing to be read again but biases.
        self._drop_pages()

    @property
    def _has_types(self) -> bool:
        return self._tokens.has_types and self.shape.types > 1

    def built(self, output: Node, *, dimensions: int = 0, labels: int = 0) -> Built:
        """The whole of it."""
        tokens = self._tokens
        return Built(
            model=openvino.Model([output], self.inputs.nodes),
            tokenizer=tokens.tokenizer,
            facts=ModelFacts(
                max_tokens=min(tokens.max_tokens, _room(self.architecture, self.shape)),
                dimensions=dimensions,
                vocabulary=tokens.vocabulary,
                pad_id=tokens.pad_id,
                has_types=self._has_types,
                keeps_end=tokens.keeps_end,
            ),
            labels=labels,
            drop_pages=self._drop_pages,
        )

    def _encoder(self) -> Encoder:
        shape, architecture = self.shape, self.architecture
        attention = Attention(
            self.inputs.mask,
            heads=shape.heads,
            size=shape.head_size,
            bias=self._bias(),
            rotary=read_rotary(self.config, shape) if architecture.positions == "rotary" else None,
        )
        return Encoder(architecture, shape, self.layers, attention)

    def _bias(self) -> Any:
        shape, name = self.shape, self.architecture.relative_bias
        if name is None:
            return None
        # The table of positions bounds them; without the check a damaged number would fill the memory.
        self.layers.tensor("embeddings.position_embeddings.weight", (shape.positions, shape.hidden))
        table = self.layers.tensor(f"{name}.weight", (_BIAS_ROWS, shape.heads))
        return bias_by_distance(table, shape.positions)


def _room(architecture: Architecture, shape: Shape) -> int:
    """Most tokens that have a position."""
    if architecture.positions == "rotary":
        return 2**31
    return shape.positions - (shape.padding + 1 if architecture.positions == "after_padding" else 0)


def _check_trained(model_id: str, folder: Path, parts: _Parts) -> None:
    """Weights without a trained head would need one of chance numbers, and the scores would mean nothing."""
    named, head = parts.config.get("architectures"), parts.architecture.head
    if not isinstance(named, list) or not named:
        named = [parts.architecture.classifier if parts.layers.rows(f"{head.scores}.weight") else "bare encoder"]
    if parts.architecture.classifier not in named:
        raise StartupError(
            f"model {model_id}: {folder} holds a {str(named[0])[:100]}, which gives no scores: use a cross-encoder"
        )
