"""How much a number type loses against float32, measured on the model itself; and which one `auto` takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from services.common.devices.kind import Loss, Results
from services.common.devices.network import Network
from services.common.models import Tokens

EXACT, FAST = "float32", "bfloat16"
"""What `auto` takes, if the second loses too much, and else."""

_BATCH = 8

Open = Callable[[str], Network]
"""A model's network in a number type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What `auto` came to."""

    dtype: str
    loss: Loss
    """Of bfloat16."""


def choose(open_network: Open, items: Sequence[Tokens], judge: Callable[[Results, Results], Loss]) -> Choice:
    """bfloat16 where it loses little against float32, else float32.

    Args:
        open_network: makes the network, which is closed again.
        items: to compare on.
        judge: says how much is lost.
    """
    expected = _tried(open_network, EXACT, items)
    loss = judge(expected, _tried(open_network, FAST, items))
    return Choice(dtype=FAST if loss.is_small else EXACT, loss=loss)


def _tried(open_network: Open, dtype: str, items: Sequence[Tokens]) -> Results:
    network = open_network(dtype)
    try:
        return compute(network, items)
    finally:
        network.close()


def compute(network: Network, items: Sequence[Tokens]) -> Results:
    """The results of items, in the order of their lengths: neighbours are computed together, with little padding."""
    ordered = sorted(items, key=lambda item: len(item.ids))
    batches = [ordered[start : start + _BATCH] for start in range(0, len(ordered), _BATCH)]
    return np.concatenate([network.compute(network.prepare(batch), alone=True) for batch in batches])
