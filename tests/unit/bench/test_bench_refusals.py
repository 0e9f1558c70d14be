from __future__ import annotations

import math

import pytest

from bench.answers import Answer, Schedule
from bench.callers import Visit
from bench.obedience import Obedience, Tries
from bench.refusals import Overload

DELAYED = {"retry-after": "1", "retry-after-ms": "250"}


def answer(sequence: int, latency_s: float, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Sent on time, ten a second."""
    return Answer(
        number=sequence,
        sequence=sequence,
        status=status,
        sent_s=50 + sequence / 10,
        latency_s=latency_s,
        headers=headers or {},
    )


def overload(answers: list[Answer], deadline_s: float = 1.0) -> Overload:
    return Overload(schedule=Schedule.of(answers, 10.0), deadline_s=deadline_s)


def test_goodput_counts_good_answers_in_time_while_the_load_lasts() -> None:
    answers = [answer(number, 0.05) for number in range(41)]

    assert overload(answers).goodput == pytest.approx(10.0)


def test_late_and_refused_answers_are_no_goodput() -> None:
    late = [answer(number, 1.2 if number % 2 else 0.05) for number in range(41)]
    refused = [answer(number, 0.05, status=429 if number % 2 else 200) for number in range(41)]

    assert overload(late).goodput == pytest.approx(5.0)
    assert overload(refused).goodput == pytest.approx(5.0)


def test_a_load_shorter_than_its_deadline_is_no_measurement() -> None:
    with pytest.raises(SystemExit, match="longer than its deadline"):
        _ = overload([answer(number, 0.05) for number in range(5)]).goodput


def test_refusals_tell_their_latency_and_their_delays() -> None:
    answers = [
        answer(0, 0.5),
        answer(1, 0.004, 429, DELAYED),
        answer(2, 0.006, 503, {"retry-after": "1"}),
        answer(3, 0.004, 429, {"retry-after-ms": "250"}),
        answer(4, 0.004, 429, DELAYED),
    ]

    found = overload(answers)

    assert len(found.refused) == 4
    assert found.refusal_ms(50) == pytest.approx(4, abs=1e-3)
    assert found.refusal_ms(99, since_sent=True) == pytest.approx(6)
    assert found.share_with_delay == 0.5
    assert found.delays_ms() == [250] * 3
    assert found.latency_ms(99) == pytest.approx(500, abs=1e-3)
    assert found.outcome == "1 x 200, 3 x 429, 1 x 503"


def test_a_request_without_a_good_answer_waits_for_ever() -> None:
    found = overload([answer(number, 0.05, status=429 if number == 7 else 200) for number in range(50)])

    assert found.felt_ms(50) == pytest.approx(50, abs=1e-3)
    assert found.felt_ms(99) == math.inf
    assert found.latency_ms(99) == pytest.approx(50, abs=1e-3)


def test_without_refusals_there_is_no_share_of_them() -> None:
    assert overload([answer(0, 0.1)]).share_with_delay is None


def test_obedience_counts_those_who_were_refused_at_first() -> None:
    tries = [(200,), (429, 200), (429, 429, 200), (503, 429, 429), (504,)]
    visits = [Visit(intended_s=0.0, started_s=0.0, done_s=1.0, result=Tries(statuses=statuses)) for statuses in tries]

    found = Obedience(visits=visits)

    assert len(found.refused) == 3
    assert found.share_served_by(2) == pytest.approx(1 / 3)
    assert found.share_served_by(6) == pytest.approx(2 / 3)
    assert Obedience(visits=visits[:1]).share_served_by(2) is None
