"""A classification head: a text's scores from its token states."""

from __future__ import annotations

from services.models.backends.openvino.graph.architectures import Head, Shape
from services.models.backends.openvino.graph.config import Config
from services.models.backends.openvino.graph.layers import Layers, Node, activated
from services.models.backends.openvino.graph.pooling import POOLINGS
from services.models.backends.openvino.graph.problems import DamagedError, NotKnownError

_HEAD_POOLINGS = ("cls", "mean")


def labels_of(head: Head, config: Config, layers: Layers) -> int:
    """How many scores the head gives: what the config says, or what the weights have.

    Raises:
        DamagedError: neither says it.
    """
    declared = len(config.part("id2label").entries) or config.whole("num_labels", 0, least=0)
    if not (labels := declared or layers.rows(f"{head.scores}.weight")):
        raise DamagedError(f"the weights have no {head.scores}.weight")
    return labels


def scored(states: Node, mask: Node, head: Head, shape: Shape, config: Config, layers: Layers) -> Node:
    """The scores of each text, shape (items, labels), before any activation.

    Args:
        states: of the tokens, shape (items, tokens, hidden).
        mask: 1 for a token, 0 for padding, shape (items, tokens).
        head: of the architecture.
        shape: of the model.
        config: the model's.
        layers: makes layers of its tensors.

    Raises:
        NotKnownError: an activation or a pooling is another.
        DamagedError: a tensor is missing or has another shape.
    """
    pooling = config.text(head.pooling_key, "cls") if head.pooling_key else "cls"
    if pooling not in _HEAD_POOLINGS:
        raise NotKnownError(f"the classifier's pooling {pooling[:100]!r}", _HEAD_POOLINGS)
    bias = head.dense_bias_key is None or config.flag(head.dense_bias_key, default=False)
    x = POOLINGS[pooling](states, mask)
    x = layers.linear(x, head.dense, inputs=shape.hidden, outputs=shape.hidden, bias=bias, exact=True)
    x = activated(x, config.text(head.activation_key, head.activation) if head.activation_key else head.activation)
    if head.norm:
        x = layers.norm(x, head.norm, size=shape.hidden, epsilon=shape.epsilon, bias=shape.norm_bias)
    labels = labels_of(head, config, layers)
    return layers.linear(x, head.scores, inputs=shape.hidden, outputs=labels, exact=True)
