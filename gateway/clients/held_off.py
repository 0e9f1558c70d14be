"""Calls that need not be made, as the only instance has just refused the like."""

from __future__ import annotations

from typing import Any

from services.common.deadline import Deadline
from services.common.errors import Overloaded
from services.common.rpc.client import RpcClient


class HeldOff:
    """Tells them by model, for one method of a service that has a queue per model.

    Args:
        rpc: calls the service.
        method: its name.
    """

    def __init__(self, rpc: RpcClient[Any], method: str) -> None:
        self._rpc = rpc
        self._method = method

    @property
    def is_active(self) -> bool:
        """Whether some calls need not be made now."""
        return self._rpc.is_holding_off

    def refusal(self, model: str, *, size: int, deadline: Deadline) -> Overloaded | None:
        """Why a call of about `size` bytes need not be made; None when it has to be."""
        return self._rpc.refusal(self._method, queue=model, size=size, deadline=deadline)
