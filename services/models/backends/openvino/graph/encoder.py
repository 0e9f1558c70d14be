"""An encoder by its architecture's description: token ids to token states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.models.backends.openvino.graph.architectures import Architecture, Shape
from services.models.backends.openvino.graph.attention import Attention
from services.models.backends.openvino.graph.layers import Layers, Node, activated, integer, op


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a graph takes, int64 of shape (items, tokens)."""

    ids: Node
    mask: Node
    """1 for a token, 0 for padding, which stands on the right."""
    types: Node | None
    """Which of two texts a token belongs to; None for a model that is not told."""

    @property
    def nodes(self) -> list[Node]:
        """All that there are."""
        return [node for node in (self.ids, self.mask, self.types) if node is not None]


def inputs_of(*, has_types: bool) -> Inputs:
    """New inputs by the names that `padding.padded` gives."""
    return Inputs(
        ids=_input("input_ids"), mask=_input("attention_mask"), types=_input("token_type_ids") if has_types else None
    )


def _input(name: str) -> Node:
    node = op.parameter([-1, -1], np.int64, name=name)
    node.output(0).get_tensor().set_names({name})
    return node


class Encoder:
    """Builds the graph of token states.

    Args:
        architecture: of the model.
        shape: its sizes.
        layers: makes layers of its tensors.
        attention: how tokens see each other.
    """

    def __init__(self, architecture: Architecture, shape: Shape, layers: Layers, attention: Attention) -> None:
        self._architecture = architecture
        self._names = architecture.names
        self._shape = shape
        self._layers = layers
        self._attention = attention

    def states(self, inputs: Inputs) -> Node:
        """The last layer's states, shape (items, tokens, hidden)."""
        states = self._norm(self._embedded(inputs), self._architecture.embedding_norm)
        layer = self._layer_normed_first if self._architecture.final_norm else self._layer_normed_last
        for index in range(self._shape.layers):
            states = layer(states, index)
        return self._norm(states, self._architecture.final_norm) if self._architecture.final_norm else states

    def _embedded(self, inputs: Inputs) -> Node:
        shape = self._shape
        states = self._rows(inputs.ids, self._architecture.words, shape.vocabulary)
        if shape.types:
            types = integer(0) if inputs.types is None else inputs.types
            states = op.add(states, self._rows(types, "embeddings.token_type_embeddings", shape.types))
        if self._architecture.positions == "rotary":
            return states
        return op.add(states, self._rows(self._positions(inputs), "embeddings.position_embeddings", shape.positions))

    def _positions(self, inputs: Inputs) -> Node:
        """Numbers of the tokens' positions, of shape (tokens) or (items, tokens)."""
        if self._architecture.positions == "from_0":
            return self._attention.places
        # As fairseq counts: from the padding token's id + 1, with a gap for each padding token in the text.
        padding = integer(self._shape.padding)
        counted = op.convert(op.not_equal(inputs.ids, padding), "i64")
        return op.add(op.multiply(op.cum_sum(counted, integer(1)), counted), padding)

    def _layer_normed_last(self, states: Node, index: int) -> Node:
        name = self._names.layer.format(index)
        seen = op.add(self._attended(states, index), states)
        seen = self._norm(seen, name + self._names.attention_norm)
        return self._norm(op.add(self._fed_forward(seen, name), seen), name + self._names.output_norm)

    def _layer_normed_first(self, states: Node, index: int) -> Node:
        name = self._names.layer.format(index)
        # The first layer gets the embeddings, which are normalised already.
        normal = self._norm(states, name + self._names.attention_norm) if index else states
        states = op.add(states, self._attended(normal, index))
        return op.add(states, self._fed_forward(self._norm(states, name + self._names.output_norm), name))

    def _attended(self, states: Node, index: int) -> Node:
        name, shape = self._names.layer.format(index), self._shape
        outputs = shape.hidden * (3 if len(self._names.attention) == 1 else 1)
        made = [
            self._layers.linear(states, name + part, inputs=shape.hidden, outputs=outputs, bias=shape.attention_bias)
            for part in self._names.attention
        ]
        query, key, value = made if len(made) == 3 else op.split(made[0], integer(-1), 3).outputs()
        seen = self._attention.seen(query, key, value, layer=index)
        return self._layers.linear(
            seen,
            name + self._names.attention_output,
            inputs=shape.hidden,
            outputs=shape.hidden,
            bias=shape.attention_bias,
        )

    def _fed_forward(self, states: Node, name: str) -> Node:
        shape, width = self._shape, self._shape.inner * (2 if self._architecture.is_gated else 1)
        inner = self._layers.linear(
            states, name + self._names.inner, inputs=shape.hidden, outputs=width, bias=shape.inner_bias
        )
        if self._architecture.is_gated:
            inner, gate = op.split(inner, integer(-1), 2).outputs()
            inner = op.multiply(activated(inner, shape.activation), gate)
        else:
            inner = activated(inner, shape.activation)
        return self._layers.linear(
            inner, name + self._names.output, inputs=shape.inner, outputs=shape.hidden, bias=shape.inner_bias
        )

    def _norm(self, x: Node, name: str) -> Node:
        shape = self._shape
        return self._layers.norm(x, name, size=shape.hidden, epsilon=shape.epsilon, bias=shape.norm_bias)

    def _rows(self, indices: Node, name: str, rows: int) -> Node:
        return self._layers.rows_of_table(indices, name, rows=rows, size=self._shape.hidden)
