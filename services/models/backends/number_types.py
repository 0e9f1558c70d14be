"""How much a number type loses against float32, measured on the model itself; and which one `auto` takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from services.common.telemetry.logs import get_logger
from services.models.backends.kind import Loss, Results
from services.models.backends.network import Network
from services.models.models import Tokens

log = get_logger()

EXACT, FAST = "float32", "bfloat16"
"""What `auto` takes where the second loses too much, and what it takes else."""

_BATCH = 8

Judge = Callable[[Results, Results], Loss]

SAMPLES = 16
"""Items on which `auto` compares: a third of a second of work for a small model."""


def choose(
    model_id: str, exact: Network, open_fast: Callable[[], Network], items: Sequence[Tokens], judge: Judge
) -> str:
    """What `auto` comes to: bfloat16 where it loses little against float32, else float32. Logs it.

    Args:
        model_id: name that requests use.
        exact: the model in float32; closed here.
        open_fast: makes it in bfloat16.
        items: to compare on.
        judge: says how much is lost.
    """
    expected = _tried(exact, items)
    loss = judge(expected, _tried(open_fast(), items))
    dtype = FAST if loss.is_small else EXACT
    log.info("dtype_chosen", model=model_id, dtype=dtype, bfloat16=loss.text)
    return dtype


def _tried(network: Network, items: Sequence[Tokens]) -> Results:
    try:
        return compute(network, items)
    finally:
        network.close()


def compute(network: Network, items: Sequence[Tokens]) -> Results:
    """The results of items, in the order of their lengths: neighbours are computed together, with little padding."""
    ordered = sorted(items, key=lambda item: len(item.ids))
    batches = [ordered[start : start + _BATCH] for start in range(0, len(ordered), _BATCH)]
    return np.concatenate([network.compute(network.prepare(batch), alone=True) for batch in batches])
