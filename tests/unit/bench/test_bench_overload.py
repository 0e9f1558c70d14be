from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest

from bench import overload
from bench.callers import Client, Visit
from bench.lab import Lab
from bench.load import Target
from bench.obedience import Obedience, Tries, obey
from bench.serving import Served

SERVED = Served(name="fixed cost", url="http://127.0.0.1:1")


@dataclass(frozen=True)
class FixedLab:
    """A peak of ten requests per second, and loads of which it only keeps the rate."""

    offered: list[float] = field(default_factory=list)
    seconds: float = 3.0
    deadline_ms: int = 1

    def warm_up(self, _served: Served) -> None:
        """Nothing."""

    def peak(self, _served: Served) -> float:
        """Always the same."""
        return 10.0

    def load(self, _served: Served, offered: float, **_headers: str) -> Callable[[], None]:
        """Keep the rate."""
        return lambda: self.offered.append(offered)


def test_callers_obey_at_every_factor_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    bursts: list[float] = []
    visit = Visit(intended_s=0.0, started_s=0.003, done_s=1.0, result=Tries(statuses=(429, 200)))

    def record(_lab: Lab, _served: Served, offered: float, _seconds: float, **_headers: str) -> Obedience:
        bursts.append(offered)
        return Obedience(visits=[visit])

    monkeypatch.setattr(overload, "_obey", record)
    monkeypatch.setattr("bench.overload.time.sleep", lambda _seconds: None)
    lab, options = FixedLab(), Namespace(rounds=1, factor=[], obey=[2.0, 10.0])

    figures = list(overload.measure(cast(Lab, lab), SERVED, "fixed cost", options))

    table = {figure.name: figure.median for figure in figures}
    assert bursts == [20.0, 2.5, 100.0, 2.5]
    assert lab.offered == [20.0, 100.0]
    assert table["fixed cost: burst of 10 x for 3 s, all obey: of these served at the first retry"] == 100
    assert table["fixed cost: burst of 10 x for 3 s, all obey: begun behind schedule, most"] == pytest.approx(3)
    assert {figure.labels.get("factor") for figure in figures if "flood" in figure.name} == {"2", "10"}


@pytest.mark.parametrize(("given", "factors"), [([], [2, 5]), (["--obey", "3"], [3])])
def test_the_factors_of_those_who_obey_are_an_option(given: Sequence[str], factors: Sequence[float]) -> None:
    assert overload.parse(given).obey == factors


async def test_a_caller_without_an_answer_ends_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def post(_client: Client, body: bytes) -> Any:
        if body == b"lost":
            raise httpx.ConnectError("all connection attempts failed")
        return httpx.Response(200)

    monkeypatch.setattr(Client, "post", post)

    found = await obey(Target(url="http://127.0.0.1:1"), [b"lost", b"good"], rate=100.0, duration_s=0.02)

    assert [visit.result.statuses for visit in found.visits] == [[0], [200]]
    assert found.unanswered == 1
