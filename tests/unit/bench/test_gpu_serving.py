"""What the GPU run counts when it loads the whole service."""

from __future__ import annotations

import os
import threading
import time

import pytest

from bench.gpu.client import Order, Seen
from bench.gpu.clients import shares, together
from bench.gpu.serving import Variant
from bench.gpu.usage import CpuTime, Gpus
from bench.gpu.window import Window, figures, problem_of
from bench.shapes import Shape

ORDER = Order(address="a", model="m", texts=1, callers=1, starts_s=10.0, counts_from_s=12.0, ends_s=15.0)
CPU = CpuTime(process=3.0, first=1.0, others={7: 0.5, 8: 1.5})
HAPPENED = {
    "isolane_embedding_tokens_total": 8_000.0,
    "isolane_embedding_items_total": 100.0,
    "isolane_embedding_reused_tokens_total": 0.0,
    "isolane_embedding_compute_seconds_count": 4.0,
    "isolane_embedding_compute_seconds_sum": 1.5,
}
WINDOW = Window(seconds=2.0, happened=HAPPENED, cpu=CPU, gpu_percents=[80, 90])


def seen(**changes: object) -> Seen:
    found = Seen(latencies_s=[0.1, 0.2, 0.3], tokens=6_000, cpu_s=0.4)
    for name, value in changes.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize(("done_s", "counts"), [(11.9, False), (12.0, True), (14.9, True), (15.0, False)])
def test_an_answer_counts_when_it_came_after_the_warm_up_and_before_the_end(done_s: float, counts: bool) -> None:
    found = Seen()

    found.answered(ORDER, sent_s=11.5, done_s=done_s, tokens=7)

    assert (found.latencies_s, found.tokens) == (([done_s - 11.5], 7) if counts else ([], 0))


def test_callers_are_spread_over_the_processes_and_none_is_lost() -> None:
    assert shares(256, 8) == [32] * 8
    assert shares(4, 3) == [2, 1, 1]
    assert shares(2, 4) == [1, 1, 0, 0]


def test_what_all_clients_saw_is_added_up_and_the_busiest_is_told() -> None:
    parts = [seen(), seen(latencies_s=[0.5], cpu_s=0.9, failed=2, error="UNAVAILABLE"), Seen()]

    found = together(parts)

    assert found == Seen(latencies_s=[0.1, 0.2, 0.3, 0.5], tokens=12_000, failed=2, error="UNAVAILABLE", cpu_s=0.9)


def test_a_shape_that_larger_batches_cannot_change_is_left_out() -> None:
    small, large = Shape(texts=1, callers=32), Shape(texts=256, callers=4)

    assert Variant(max_batch_tokens=8_192).takes(small)
    assert not Variant(max_batch_tokens=32_768, least_tokens=8_192).takes(small)
    assert Variant(max_batch_tokens=131_072, least_tokens=32_768).takes(large)


def test_figures_are_rates_of_the_window_and_means_of_its_batches() -> None:
    found = figures(seen(), WINDOW, seconds=2.0, replicas=1)

    assert {what: values for (what, _), values in found.items()} == {
        "rate": [3_000],
        "requests": [1.5],
        "p50": [200],
        "p99": [300],
        "tokens of a batch": [2_000],
        "texts of a batch": [25],
        "batch": [375],
        "time in batches": [75],
        "GPU utilisation": [80, 90],
        "CPU": [1.5],
        "CPU of the event loop": [0.5],
        "CPU of the busiest other thread": [0.75],
        "CPU of the busiest client": [0.2],
    }
    assert figures(seen(), WINDOW, seconds=2.0, replicas=2)["time in batches", "%"] == [37.5]


def test_without_batches_and_answers_there_are_no_means() -> None:
    idle = Window(seconds=2.0, happened={}, cpu=CPU, gpu_percents=[])

    found = figures(Seen(), idle, seconds=2.0, replicas=1)

    assert {what for (what, _), values in found.items() if not values} == {
        "p50",
        "p99",
        "tokens of a batch",
        "texts of a batch",
        "batch",
        "GPU utilisation",
    }


@pytest.mark.parametrize(
    ("changes", "reused", "problem"),
    [
        ({}, 60.0, ""),
        ({}, 61.0, "61 tokens were not computed"),
        ({"failed": 2, "error": "UNAVAILABLE: gone"}, 0.0, "2 calls failed, the last with UNAVAILABLE: gone"),
        ({"latencies_s": []}, 0.0, "no answer"),
    ],
)
def test_figures_that_are_not_the_models_have_a_reason(changes: dict[str, object], reused: float, problem: str) -> None:
    happened = {**HAPPENED, "isolane_embedding_reused_tokens_total": reused}
    window = Window(seconds=2.0, happened=happened, cpu=CPU, gpu_percents=[])

    found = problem_of(seen(**changes), window)

    assert found.startswith(problem)
    assert bool(found) is bool(problem)


def test_processor_time_is_told_by_thread() -> None:
    is_over, numbers = threading.Event(), list[int]()

    def spin() -> None:
        numbers.append(threading.get_native_id())
        ends_s = time.thread_time() + 0.1
        while time.thread_time() < ends_s:
            pass
        is_over.wait(10)

    before = CpuTime.of(os.getpid())
    thread = threading.Thread(target=spin)
    thread.start()
    while (taken := CpuTime.of(os.getpid()).since(before)).process < 0.1:
        time.sleep(0.01)
    is_over.set()
    thread.join()

    assert taken.others[numbers[0]] >= 0.05
    assert taken.first < taken.process


def test_a_process_that_has_ended_has_no_processor_time() -> None:
    with pytest.raises(FileNotFoundError):
        CpuTime.of(2**22 + 1)


def test_without_a_driver_nobody_tells_how_busy_a_gpu_is() -> None:
    assert Gpus(None).utilization_percent() is None
