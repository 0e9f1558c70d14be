"""A breaker that never opens, for tests that are not about breakers."""

from __future__ import annotations

from services.common.rpc.breaker import Outcome


class AlwaysClosed:
    """Admits every call and remembers how each ended."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        """Of all settled permits, in order."""

    @property
    def is_open(self) -> bool:
        """Never."""
        return False

    def acquire(self) -> RecordingPermit:
        """The right to call."""
        return RecordingPermit(self.outcomes)

    def retry_after_s(self) -> float:
        """No wait."""
        return 0.0

    def hint_recovered(self) -> None:
        """Changes nothing."""


class RecordingPermit:
    """Writes its outcome down.

    Args:
        outcomes: where to.
    """

    def __init__(self, outcomes: list[Outcome]) -> None:
        self._outcomes = outcomes
        self._is_settled = False

    def settle(self, outcome: Outcome) -> None:
        """Report how the call ended, once."""
        if self._is_settled:
            raise RuntimeError("a breaker permit was settled twice. This is a bug.")
        self._is_settled = True
        self._outcomes.append(outcome)
