from __future__ import annotations

import itertools
import threading
import time

import pytest

from bench.answers import Answer
from bench.direct import closed
from bench.documents import Load, Results, bar_ms, parse
from bench.files import File
from bench.resident import Sample, lives, of_run, slope

MIB = 1024 * 1024


def answer(number: int, sent_s: float, latency_s: float) -> Answer:
    return Answer(number=number, sequence=number, status=200, sent_s=sent_s, latency_s=latency_s, headers={})


def steady_load(latency_s: float) -> Load:
    return Load.of([answer(number, number * latency_s, latency_s) for number in range(20)], 1)


def test_a_load_is_counted_in_its_steady_state() -> None:
    load = steady_load(0.1)

    assert load.per_s == pytest.approx(10)
    assert [load.ms(50), load.ms(99)] == pytest.approx([100, 100])


def test_the_bar_of_one_caller_is_a_part_more_and_four_milliseconds() -> None:
    assert bar_ms(20.0) == pytest.approx(26.0)


def test_figures_compare_turns_of_the_same_round() -> None:
    results = Results()
    for html_s in (0.03, 0.05):
        results.alone["isolane"].append({"html": [html_s], "docx": [0.04]})
        results.alone["Docling directly"].append({"html": [html_s / 2], "docx": [0.04]})
        results.loads["isolane"].append(steady_load(0.1))
        results.loads["docling-serve"].append(steady_load(0.4))

    figures = {figure.name: figure for figure in results.figures(callers=8)}

    assert figures["one caller, html: isolane / Docling directly"].low == pytest.approx(2.0)
    assert figures["one caller, html: isolane - Docling directly"].high == pytest.approx(25.0)
    assert figures["one caller, docx: isolane - (1.1 x Docling directly + 4 ms)"].median == pytest.approx(-8.0)
    assert figures["8 callers: isolane / docling-serve"].median == pytest.approx(4.0)
    assert figures["8 callers: isolane, p99 / p50"].median == pytest.approx(1.0)
    assert figures["8 callers: isolane, workers replaced meanwhile"].median == 0


def test_without_peers_nothing_is_compared_for_many_callers() -> None:
    results = Results()
    results.alone["Docling directly"].append({"html": [0.1], "docx": [0.1]})
    results.loads["isolane"].append(steady_load(0.1))

    assert not [figure for figure in results.figures(8) if figure.name.startswith("8 callers") and "/ d" in figure.name]


def test_a_closed_loop_in_process_has_so_many_calls_at_once_and_no_file_twice() -> None:
    running, most, seen = itertools.count(), [0], []
    lock, active = threading.Lock(), [0]

    def convert(file: File) -> str:
        with lock:
            active[0] += 1
            most[0] = max(most[0], active[0])
            seen.append(file.name)
        time.sleep(0.01)
        with lock:
            active[0] -= 1
        return str(next(running))

    files = [File(name=str(number), data=b"") for number in range(200)]
    answers = closed(convert, files, callers=3, seconds=0.2)

    assert most[0] == 3
    assert len(seen) == len(set(seen)) == len(answers)
    assert [one.number for one in answers] == list(range(len(answers)))
    assert all(one.latency_s >= 0.01 and one.is_ok for one in answers)


def test_a_closed_loop_says_when_its_files_were_too_few() -> None:
    with pytest.raises(SystemExit, match="2 files were too few"):
        closed(lambda _: "", [File(name="a", data=b"")] * 2, callers=2, seconds=5)


def sample(files: int, service: int, cpu_s: float = 0.0, **workers: int) -> Sample:
    pids = {int(name[1:]): size * MIB for name, size in workers.items()}
    return Sample(files=files, service=service * MIB, workers=pids, cpu_s=dict.fromkeys(pids, cpu_s))


def test_a_slope_is_kib_for_100_files() -> None:
    assert slope([0, 100, 200], [0, 10 * 1024, 20 * 1024]) == pytest.approx(10)


def test_a_worker_that_stood_by_has_no_slope() -> None:
    samples = [sample(n * 100, 60, cpu_s=float(n), p1=150 + n) for n in range(8)]
    idle = [sample(n * 100, 60, p2=150) for n in range(8)]

    assert lives(samples) == [pytest.approx(1024)]
    assert lives(idle) == []


def test_a_run_has_slopes_and_peaks() -> None:
    samples = [sample(n * 100, 60, cpu_s=float(n), p1=150, p2=150 + n) for n in range(10)]

    figures = {figure.name: figure.median for figure in of_run("run", samples)}

    assert figures["run: service, slope"] == pytest.approx(0, abs=1e-6)
    assert figures["run: service and workers, slope"] == pytest.approx(1024)
    assert (figures["run: a worker, most"], figures["run: service and workers, most"]) == (159, 369)


def test_the_command_line_has_what_the_others_have() -> None:
    options = parse(["--rounds", "2", "--seconds", "3", "--callers", "4", "--no-peers", "--json", "x"])

    assert (options.rounds, options.seconds, options.callers, options.peers) == (2, 3.0, 4, False)
    assert str(options.json) == "x"
