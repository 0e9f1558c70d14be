"""Memory that the documents service and its workers hold: idle, and over thousands of files."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import psutil

from bench.calls import post
from bench.files import FORM_TYPE, File
from bench.metrics import scrape
from bench.report import Figure, say
from bench.serving import Served

ENDS, WARM = "isolane_documents_worker_ends_total", "isolane_documents_workers"

_MODULE = "services.documents"
_WORKER = f"{_MODULE}.backends.worker"
_MIB = 1024 * 1024
_SAMPLES = 40
"""In a run."""
_LEFT_OUT = 0.1
"""Of a run, at its start: what is loaded on first use is no leak."""
_LEAST_SAMPLES = 4
"""For a slope."""
_LEAST_CPU_S = 0.1
"""Of a worker that did something."""
_WARM_LIMIT_S, _POLL_S, _CALM_S = 120.0, 0.2, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is held after so many files. Bytes."""

    files: int
    service: int
    workers: Mapping[int, int]
    """By pid."""
    cpu_s: Mapping[int, float] = field(default_factory=dict)
    """Processor time of each worker so far, by pid."""

    @property
    def total(self) -> int:
        """Of the service and all workers."""
        return self.service + sum(self.workers.values())


class Processes:
    """The documents service of a stack, and its workers.

    Args:
        pid: of the process that started the stack.
    """

    def __init__(self, pid: int) -> None:
        self._service = next(
            process for process in psutil.Process(pid).children(recursive=True) if _MODULE in process.cmdline()
        )

    def resident(self, files: int = 0) -> Sample:
        """Resident memory now; pages that several hold count for each."""
        return self._sample(files, lambda process: int(process.memory_info().rss))

    def proportional(self) -> Sample:
        """The same, with a page that several hold shared out among them."""
        return self._sample(0, lambda process: int(process.memory_full_info().pss))

    def _sample(self, files: int, held: Callable[[psutil.Process], int]) -> Sample:
        found, cpu_s = {}, {}
        for worker in self._service.children():
            try:
                if _WORKER in worker.cmdline():
                    found[worker.pid] = held(worker)
                    cpu_s[worker.pid] = worker.cpu_times().user
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return Sample(files=files, service=held(self._service), workers=found, cpu_s=cpu_s)


def memory(served: Served, files: Sequence[File], *, workers: int, callers: int) -> Iterator[Figure]:
    """All figures of a stack that has just been started.

    Args:
        served: with the settings of a user who sets nothing.
        files: converted twice, one after the other and by the callers at once.
        workers: that are warm when all are.
        callers: of the second run.
    """
    assert served.pid is not None
    processes = Processes(served.pid)
    yield from _idle("idle after the start", served, processes, workers)
    for at_once in (1, callers):
        where = "one after the other" if at_once == 1 else f"{at_once} at a time"
        say(f"memory: {len(files)} files, {where}")
        before = scrape(served.metrics_urls["documents"])
        samples = _run(served, processes, files, at_once)
        ended = scrape(served.metrics_urls["documents"]).get(ENDS, 0.0) - before.get(ENDS, 0.0)
        yield from of_run(f"memory, {len(files)} files, {where}", samples)
        yield Figure.of(f"memory, {len(files)} files, {where}: workers replaced", "workers", [ended])
    yield from _idle("idle after these", served, processes, workers)


def of_run(where: str, samples: Sequence[Sample]) -> Iterator[Figure]:
    """Slopes and peaks of a run."""
    kept = [sample for sample in samples if sample.files > samples[-1].files * _LEFT_OUT]
    files = [sample.files for sample in kept]
    slopes = {
        "service, slope": [slope(files, [sample.service for sample in kept])],
        "a worker from its second sample to its end, slope": lives(kept),
        "service and workers, slope": [slope(files, [sample.total for sample in kept])],
    }
    for name, values in slopes.items():
        if values:
            yield Figure.of(f"{where}: {name}", "KiB/100 files", values, metric="slope")
    largest = [max(sample.workers.values(), default=0) for sample in samples]
    peaks = {
        "service, most": max(sample.service for sample in samples),
        "a worker, most": max(largest),
        "service and workers, most": max(sample.total for sample in samples),
    }
    for name, value in peaks.items():
        yield Figure.of(f"{where}: {name}", "MiB", [value / _MIB], metric="most")


def slope(files: Sequence[int], held: Sequence[int]) -> float:
    """Growth by least squares. KiB per 100 files."""
    return float(np.polyfit(files, held, 1)[0]) * 100 / 1024


def lives(samples: Sequence[Sample]) -> list[float]:
    """The slope of each worker's memory over all files that were parsed while it lived, its first sample left out.

    A worker that stood by the whole time has none.
    """
    seen: dict[int, list[tuple[int, int]]] = defaultdict(list)
    spent_s: dict[int, list[float]] = defaultdict(list)
    for sample in samples:
        for pid, held in sample.workers.items():
            seen[pid].append((sample.files, held))
            spent_s[pid].append(sample.cpu_s[pid])
    return [
        slope(*zip(*life[1:], strict=True))
        for pid, life in seen.items()
        if len(life) > _LEAST_SAMPLES and spent_s[pid][-1] - spent_s[pid][1] > _LEAST_CPU_S
    ]


def _run(served: Served, processes: Processes, files: Sequence[File], callers: int) -> list[Sample]:
    """Convert the files, and look at the memory now and then."""
    url, done, lock = served.target("convert").url, itertools.count(1), threading.Lock()
    every = max(1, len(files) // _SAMPLES)
    samples = [processes.resident()]

    def convert(file: File) -> None:
        post(url, file.form, {"Content-Type": FORM_TYPE})
        with lock:
            if (number := next(done)) % every == 0:
                samples.append(processes.resident(number))

    with ThreadPoolExecutor(callers) as threads:
        for _ in threads.map(convert, files):
            pass
    return samples


def _idle(where: str, served: Served, processes: Processes, workers: int) -> Iterator[Figure]:
    """What is held when nothing is to be done and all workers are warm."""
    wait_until_warm(served, workers)
    time.sleep(_CALM_S)
    for kind, sample in (("resident", processes.resident()), ("proportional", processes.proportional())):
        sizes = sorted(sample.workers.values(), reverse=True)
        rows = {
            "service": sample.service,
            "a worker": statistics.median(sizes),
            "service and two workers": sample.service + sum(sizes[:2]),
            "service and all workers, with the spare one": sample.total,
        }
        for name, value in rows.items():
            yield Figure.of(f"memory, {where}, {kind}: {name}", "MiB", [value / _MIB], metric=kind, what=name)


def wait_until_warm(served: Served, workers: int) -> None:
    """Wait until so many workers may be given a file.

    Raises:
        SystemExit: they are not in time.
    """
    end_s = time.monotonic() + _WARM_LIMIT_S
    while scrape(served.metrics_urls["documents"]).get(WARM, 0.0) < workers:
        if time.monotonic() > end_s:
            raise SystemExit(f"{served.name}: not {workers} warm workers within {_WARM_LIMIT_S:g} s")
        time.sleep(_POLL_S)
