from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import pytest

from bench.answers import Answer, Schedule
from bench.fairness import measure
from bench.lab import Lab
from bench.refusals import Overload
from bench.serving import Served

OPTIONS = Namespace(rounds=1, quiet=0.1, times=50.0)
SERVED = Served(name="fixed cost", url="http://127.0.0.1:1")


@dataclass(frozen=True)
class FixedLab:
    """Answers within 10 ms, but refuses so many of the quiet client's requests."""

    refused_alone: int = 0
    refused_flooded: int = 0
    seconds: float = 3.0
    deadline_ms: int = 1

    def warm_up(self, _served: Served) -> None:
        """Nothing."""

    def peak(self, _served: Served) -> float:
        """One at which the quiet client sends ten requests per second."""
        return 100.0

    def load(
        self, _served: Served, offered: float, *, seconds: float | None = None, **headers: str
    ) -> Callable[[], Overload]:
        """A hundred answers; only the measured load of the flooded client is shorter than usual."""
        refused = self.refused_alone if seconds is None else self.refused_flooded
        refused = refused if headers["X_Isolane_Client"] == "b" else 0
        answers = [
            Answer(
                number=number,
                sequence=number,
                status=429 if number < refused else 200,
                sent_s=number / offered,
                latency_s=0.001 if number < refused else 0.01,
                headers={},
            )
            for number in range(100)
        ]
        return lambda: Overload(schedule=Schedule.of(answers, offered), deadline_s=1.0)


def table(lab: FixedLab) -> dict[str, float]:
    found = measure(cast(Lab, lab), SERVED, "fixed cost", OPTIONS)
    return {figure.name: figure.median for figure in found}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.fairness.time.sleep", lambda _seconds: None)


def test_a_quiet_client_that_is_refused_is_not_fast() -> None:
    found = table(FixedLab(refused_flooded=2))

    assert found["fixed cost: quiet client, p50 flooded / alone"] == pytest.approx(1.0, abs=1e-3)
    assert found["fixed cost: quiet client, p99 flooded / alone"] == math.inf
    assert found["fixed cost: quiet client, flooded, p99 of good answers"] == pytest.approx(10, abs=1e-3)


def test_there_is_nothing_to_compare_with_a_quiet_client_that_fails_alone() -> None:
    with pytest.raises(SystemExit, match="quiet client alone: 2 of 100 requests failed"):
        table(FixedLab(refused_alone=2, refused_flooded=2))
