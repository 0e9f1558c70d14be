from __future__ import annotations

import json
import math

import pytest

from bench.answers import Answer, Schedule, counted, parse, percentile, rate, steady
from bench.load import Request, Target, write_targets


def answer(number: int, sent_s: float, latency_s: float, status: int = 200) -> Answer:
    return Answer(number=number, sequence=number, status=status, sent_s=sent_s, latency_s=latency_s, headers={})


def line(**changed: object) -> str:
    """As vegeta writes it, in an abridged form."""
    whole = {
        "attack": "",
        "seq": 3,
        "code": 200,
        "timestamp": "2026-11-26T04:31:05.123456789+02:00",
        "latency": 1_500_000,
        "error": "",
        "url": "http://127.0.0.1:8080/v1/embeddings?n=17",
        "headers": {
            "Server-Timing": ["queue;dur=1.500, tokenize;dur=0.200, compute;dur=3.000"],
            "Retry-After-Ms": ["7"],
        },
    }
    return json.dumps({**whole, **changed})


def test_an_answer_keeps_what_the_generator_saw() -> None:
    (found,) = parse([line()])

    assert (found.number, found.sequence, found.status, found.latency_s) == (17, 3, 200, 0.0015)
    assert found.sent_s == pytest.approx(1795660265.123456, abs=1e-5)
    assert found.headers["retry-after-ms"] == "7"
    assert found.timings_s == {"queue": 0.0015, "tokenize": 0.0002, "compute": 0.003}


def test_answers_come_in_the_order_of_sending() -> None:
    found = parse([line(seq=2), "", line(seq=0), line(seq=1)])

    assert [one.sequence for one in found] == [0, 1, 2]


def test_a_request_without_an_answer_counts_and_the_end_of_targets_does_not() -> None:
    found = parse([line(code=0, error="connection refused", headers=None), line(url="", code=0, error="no targets")])

    assert [(one.status, one.is_ok, one.error) for one in found] == [(0, False, "connection refused")]


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(1, 101)]

    assert [percentile(values, percent) for percent in (1, 50, 95, 99, 100)] == [1, 50, 95, 99, 100]
    assert percentile([3.0], 50) == 3.0
    assert math.isnan(percentile([], 50))


def test_a_rate_leaves_out_the_first_wave_and_what_ended_after_the_last_send() -> None:
    # Two callers, an answer every second each, the last two ended after sending did.
    answers = [answer(number, sent_s=number // 2, latency_s=1.0) for number in range(12)]

    assert rate(answers, lambda _one: 10.0, callers=2) == pytest.approx(20.0)
    assert [one.number for one in counted(answers, callers=2)] == list(range(2, 10))


def test_a_failed_request_is_worth_nothing() -> None:
    answers = [answer(number, number // 2, 1.0, status=500 if number % 2 else 200) for number in range(12)]

    assert rate(answers, lambda _one: 10.0, callers=2) == pytest.approx(10.0)


@pytest.mark.parametrize(("sent", "count"), [(2, 0), (10, 6)])
def test_a_handful_of_answers_is_no_measurement(sent: int, count: int) -> None:
    answers = [answer(number, number // 2, 1.0) for number in range(sent)]

    with pytest.raises(SystemExit, match=f"{count} answers count, of 2 callers: too few to measure, at least 8"):
        rate(answers, lambda _one: 1.0, callers=2)


def test_latencies_of_the_first_wave_do_not_count() -> None:
    answers = [answer(number, sent_s=number // 2, latency_s=1.0) for number in range(6)]

    assert [one.number for one in steady(answers, callers=2)] == [2, 3, 4, 5]


def test_a_schedule_tells_how_far_each_send_was_behind() -> None:
    late_s = [0.002, 0.0, 0.005, 0.001]
    answers = [answer(number, 100 + number / 10 + late_s[number], 0.03) for number in range(4)]

    schedule = Schedule.of(answers, 10.0)

    assert schedule.lags_s == pytest.approx(late_s, abs=1e-6)
    assert schedule.achieved == pytest.approx(3 / (0.3 - 0.001), rel=1e-3)
    assert schedule.latency_s(answers[2]) == pytest.approx(0.035, abs=1e-6)


def test_targets_carry_their_number_body_and_headers(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("targets") / "targets"
    target = Target(url="http://127.0.0.1:1/v1/embeddings", headers={"X-Isolane-Client": "b"})

    write_targets(path, target, [Request(body=b"{}", tokens=1), Request(body=b"[]", tokens=1)])

    first, second = (json.loads(one) for one in path.read_text().splitlines())
    assert first["url"].endswith("?n=0")
    assert second["url"].endswith("?n=1")
    assert (first["method"], first["body"], second["body"]) == ("POST", "e30=", "W10=")
    assert first["header"] == {"Content-Type": ["application/json"], "X-Isolane-Client": ["b"]}
