from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from bench.answers import Answer
from bench.lab import Lab
from bench.load import Closed, Generator, Request, Run, Target
from bench.serving import Served
from bench.texts import Texts

SERVED = Served(name="fixed cost", url="http://127.0.0.1:1")


@dataclass(frozen=True)
class FixedGenerator:
    """Answers a closed loop ten times a second for each caller, every so many of them with a refusal."""

    refused_every: int

    def closed(self, _target: Target, _requests: Sequence[Request], load: Closed) -> Run:
        answers = [
            Answer(
                number=number,
                sequence=number,
                status=429 if self.refused_every and number % self.refused_every == 7 else 200,
                sent_s=number // load.callers / 10,
                latency_s=0.1,
                headers={},
                error="429 Too Many Requests",
            )
            for number in range(int(load.callers * load.duration_s * 10))
        ]
        return Run(answers=answers, cpu_s=0.0)


def lab(refused_every: int) -> Lab:
    generator = cast(Generator, FixedGenerator(refused_every))
    return Lab(generator=generator, texts=Texts(1), seconds=1.0, deadline_ms=500)


def test_a_peak_is_what_all_callers_together_are_answered() -> None:
    assert lab(refused_every=0).peak(SERVED) == pytest.approx(320.0)


def test_a_peak_at_which_requests_fail_is_no_measure_of_the_loads() -> None:
    with pytest.raises(SystemExit, match="fixed cost, at its peak: 32 of 320 requests failed, the first with 429"):
        lab(refused_every=10).peak(SERVED)
