from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.answers import Answer, counted
from bench.caching import repeated, sent_texts
from bench.embedding import turn_s
from bench.load import Request, Run
from bench.metrics import difference, mean, padding_waste, samples
from bench.quality import losses
from bench.results import Results, ratios
from bench.shapes import SINGLE, Shape, embed_requests
from bench.turns import Turn, summary

SHAPE = Shape(texts=2, callers=1)
EXPOSED = """\
# HELP isolane_embedding_tokens_total Tokens computed.
# TYPE isolane_embedding_tokens_total counter
isolane_embedding_tokens_total{model="a"} 90.0
isolane_embedding_tokens_total{model="b"} 10.0
# TYPE isolane_embedding_padded_tokens_total counter
isolane_embedding_padded_tokens_total{model="a"} 125.0
# TYPE isolane_embedding_queue_seconds histogram
isolane_embedding_queue_seconds_bucket{model="a",le="0.1"} 3.0
isolane_embedding_queue_seconds_bucket{model="a",le="+Inf"} 4.0
isolane_embedding_queue_seconds_count{model="a"} 4.0
isolane_embedding_queue_seconds_sum{model="a"} 2.0
"""


def turn(**changed: Any) -> Turn:
    whole: dict[str, Any] = {
        "tokens_per_s": 100.0,
        "counted": 50,
        "goodput": 10.0,
        "latencies_ms": [1.0, 2.0, 30.0],
        "queue_ms": [],
        "failed": 0,
        "generator_cores": 0.1,
    }
    return Turn(**{**whole, **changed})


def test_ratios_are_those_of_the_same_round_and_of_the_best_engine_in_it() -> None:
    found = ratios(
        {
            "isolane": [10.0, 30.0],
            "isolane, int8": [20.0, 45.0],
            "infinity, torch": [5.0, 6.0],
            "infinity, onnx": [4.0, 10.0],
            "sentence-transformers loop": [8.0, 20.0],
        }
    )

    assert found == {
        "isolane / best of infinity": [2.0, 3.0],
        "isolane / sentence-transformers loop": [1.25, 1.5],
        "isolane, int8 / best of infinity": [4.0, 4.5],
        "isolane, int8 / sentence-transformers loop": [2.5, 2.25],
        "isolane, int8 / isolane": [2.0, 1.5],
    }


def test_a_system_whose_requests_failed_is_not_compared() -> None:
    results = Results()
    for tokens_per_s in (100.0, 110.0):
        results.add("equal", SHAPE, "isolane", turn(tokens_per_s=tokens_per_s))
        results.add("equal", SHAPE, "isolane, mesh", turn(tokens_per_s=tokens_per_s, failed=2))
        results.add("equal", SHAPE, "infinity, torch", turn(tokens_per_s=50.0))
        results.add("equal", SHAPE, "infinity, onnx", turn(tokens_per_s=0.0, failed=9, latencies_ms=[]))
        results.add_rate("equal", SHAPE, "sentence-transformers loop", 50.0)

    table = {figure.name: figure.median for figure in results.figures()}

    assert table["equal, 2 x 1: isolane / sentence-transformers loop"] == pytest.approx(2.1)
    assert table["equal, 2 x 1: infinity, onnx is not compared, for requests failed"] == 18
    assert table["equal, 2 x 1: isolane, mesh is not compared, for requests failed"] == 4
    assert "equal, 2 x 1: infinity, onnx, latency p50" not in table
    assert not [name for name in table if "best of infinity" in name or "mesh / isolane" in name or " - " in name]


def test_nothing_is_compared_with_isolane_when_its_own_requests_failed() -> None:
    results = Results()
    results.add("equal", SINGLE, "isolane", turn(tokens_per_s=0.0, failed=3, latencies_ms=[]))
    results.add("equal", SINGLE, "isolane, int8", turn())
    results.add("equal", SINGLE, "infinity, torch", turn())
    results.add_forward("equal", SINGLE, "isolane, bare forward", [0.5])

    units = {figure.name: figure.unit for figure in results.figures()}

    compared = [name.removeprefix("equal, 1 x 1: ") for name, unit in units.items() if unit == "ratio"]
    assert compared == ["isolane, int8 / best of infinity"]
    assert not [name for name in units if "added" in name or " - " in name]


def test_a_table_says_what_is_known_and_nothing_else() -> None:
    results = Results()
    results.add("equal", SINGLE, "isolane", turn(queue_ms=[1.0]))
    results.add("equal", SINGLE, "isolane, mesh", turn(latencies_ms=[3.0, 4.0, 50.0]))
    results.add_forward("equal", SINGLE, "isolane, bare forward", [0.0005, 0.0005, 0.1])

    table = {figure.name: figure.median for figure in results.figures()}

    assert table["equal, 1 x 1: isolane, latency p50"] == 2.0
    assert table["equal, 1 x 1: isolane, mesh - isolane, latency p50"] == 2.0
    assert table["equal, 1 x 1: added to the forward time, p50"] == pytest.approx(1.5)
    assert table["equal, 1 x 1: isolane, queue wait p50"] == 1.0
    assert table["equal, 1 x 1: isolane, answers counted"] == 50
    assert "equal, 1 x 1: isolane, mesh, queue wait p50" not in table
    assert not any("padding" in name for name in table)


def test_a_turn_counts_the_tokens_of_its_good_answers() -> None:
    requests = embed_requests(list("abcdefghijklm"), list(range(1, 14)), 2)
    answers = [
        Answer(
            number=number,
            sequence=number,
            status=429 if number == 2 else 200,
            sent_s=float(number),
            latency_s=1.0,
            headers={"server-timing": "queue;dur=5.000"},
        )
        for number in range(6)
    ]

    found = summary(Run(answers=answers, cpu_s=2.0), requests, SHAPE, deadline_s=1.5, happened={})

    assert [request.tokens for request in requests] == [3, 7, 11, 15, 19, 23]
    # The first only starts the clock, the third was refused, the sixth ended after the last send.
    assert found.tokens_per_s == pytest.approx((7 + 15 + 19) / 4)
    assert found.goodput == pytest.approx(3 / 4)
    assert (found.counted, found.failed, found.queue_ms) == (4, 1, [5.0] * 4)
    assert found.generator_cores == pytest.approx(1 / 3)


def test_metrics_are_summed_over_models_and_compared_over_a_turn() -> None:
    before = samples('# TYPE isolane_embedding_tokens_total counter\nisolane_embedding_tokens_total{model="a"} 20.0\n')

    happened = difference(before, samples(EXPOSED))

    assert happened["isolane_embedding_tokens_total"] == 80.0
    assert padding_waste(happened) == pytest.approx(1 - 80 / 125)
    assert mean(happened, "isolane_embedding_queue_seconds") == 0.5
    assert padding_waste({}) is None
    assert mean({}, "isolane_embedding_queue_seconds") is None


def test_a_loss_has_a_mean_and_a_worst_case() -> None:
    reference = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    other = np.array([[3.0, 0.0], [3.0, 4.0]], dtype=np.float32)

    found = losses(reference, other)

    assert found == pytest.approx({"mean": 0.1, "worst": 0.2})


def test_repetitions_are_those_of_texts_that_were_really_sent() -> None:
    texts, tokens = ["a", "b", "a", "c", "b", "d"], [10, 20, 10, 30, 20, 40]
    answers = [
        Answer(number=number, sequence=number, status=200, sent_s=0.0, latency_s=1.0, headers={}) for number in (0, 1)
    ]

    sent = sent_texts(Run(answers=answers, cpu_s=0.0), texts, tokens, 2)

    assert sent == [("a", 10), ("b", 20), ("a", 10), ("c", 30)]
    assert repeated(sent) == 10


def test_turns_of_many_texts_a_request_are_long_enough_for_a_slow_server() -> None:
    shape = Shape(texts=32, callers=4)
    slow = [
        Answer(number=n, sequence=n, status=200, sent_s=n // 4 / 0.17, latency_s=1 / 0.17, headers={})
        for n in range(int(turn_s(shape, 15.0) * 0.17) * 4)
    ]

    assert len(counted(slow, callers=4)) >= 8 * 4
    assert turn_s(Shape(texts=1, callers=32), 15.0) == 15.0
    assert turn_s(SINGLE, 15.0) < 15.0


def test_shapes_are_read_from_the_command_line() -> None:
    assert Shape.parse("32x4") == Shape(texts=32, callers=4)
    assert str(Shape.parse("1 x 32")) == "1 x 32"
    assert embed_requests(["a", "b", "c"], [1, 1, 1], 2)[0] == Request(
        body=b'{"model": "all-MiniLM-L6-v2", "input": ["a", "b"], "encoding_format": "base64"}', tokens=2, texts=2
    )
