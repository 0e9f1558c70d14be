"""One state for a text from its token states."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.models.backends.openvino.graph.layers import Node, floats, integer, integers, op


def _first(states: Node, _mask: Node) -> Node:
    return op.gather(states, integer(0), integer(1))


def _last(states: Node, mask: Node) -> Node:
    last = op.subtract(op.reduce_sum(mask, integers(1)), integer(1))
    return op.gather(states, last, integer(1), 1)


def _mean(states: Node, mask: Node) -> Node:
    weights = op.convert(op.unsqueeze(mask, integers(2)), "f32")
    total = op.reduce_sum(op.multiply(states, weights), integers(1))
    return op.divide(total, op.maximum(op.reduce_sum(weights, integers(1)), floats(1e-9)))


POOLINGS: Mapping[str, Callable[[Node, Node], Node]] = {"cls": _first, "mean": _mean, "lasttoken": _last}
"""From states (items, tokens, hidden) and mask (items, tokens) to (items, hidden)."""
