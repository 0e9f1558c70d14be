"""The gauge of an upstream's instances by state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

from services.common.rpc.target import InstanceState
from services.common.telemetry.metrics import upstream_instances

_STATES: Mapping[str, Callable[[InstanceState], bool]] = MappingProxyType(
    {
        "serving": lambda state: state.is_serving and not state.is_breaker_open,
        "breaker_open": lambda state: state.is_serving and state.is_breaker_open,
        "not_serving": lambda state: not state.is_serving,
    }
)
"""States of the gauge; an instance is in exactly one."""


@contextlib.contextmanager
def instances_counted(service: str, states: Callable[[], tuple[InstanceState, ...]]) -> Iterator[None]:
    """Let the gauge count the instances whenever it is read, while the body runs."""
    for state, is_in in _STATES.items():
        upstream_instances().labels(service, state).set_function(partial(_count, states, is_in))
    try:
        yield
    finally:
        for state in _STATES:
            upstream_instances().remove(service, state)


def _count(states: Callable[[], tuple[InstanceState, ...]], is_in: Callable[[InstanceState], bool]) -> float:
    return float(sum(map(is_in, states())))
