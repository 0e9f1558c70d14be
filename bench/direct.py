"""Docling without a server: called in one warm process, and by a pool of two.

Both call `DocumentConverter` with the default options of each format, and `export_to_markdown`.
"""

from __future__ import annotations

import importlib
import io
import itertools
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

from bench.answers import OK, Answer
from bench.files import File, Files
from bench.inprocess import Task

WORKERS = 2
_START_LIMIT_S = 300.0

Convert = Callable[[File], str]


def docling_loop() -> Task:
    """`(files, most seconds) -> seconds of each`: one after the other, until the time is over."""
    _warm_up()

    def convert(files: Sequence[File], most_s: float) -> list[float]:
        taken: list[float] = []
        for file in files:
            started_s = time.perf_counter()
            markdown(file)
            taken.append(time.perf_counter() - started_s)
            if sum(taken) > most_s:
                break
        return taken

    return convert


@contextmanager
def docling_pool(workers: int = WORKERS) -> Iterator[Convert]:
    """Converts in warm processes while the body runs; several threads may call it at once."""
    context = multiprocessing.get_context("spawn")
    all_warm = context.Barrier(workers + 1)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(all_warm,)) as executor:
        for _ in range(workers):
            executor.submit(_nothing)
        all_warm.wait(_START_LIMIT_S)
        yield lambda file: executor.submit(markdown, file).result()


def closed(convert: Convert, files: Sequence[File], *, callers: int, seconds: float) -> list[Answer]:
    """A closed loop of callers that call a function, as `Generator.closed` is one of those that send requests.

    Raises:
        SystemExit: there are too few files for the time.
    """
    numbers, lock = itertools.count(), threading.Lock()
    end_s = time.time() + seconds

    def caller() -> list[Answer]:
        answers = []
        while (sent_s := time.time()) < end_s:
            with lock:
                number = next(numbers)
            if number >= len(files):
                raise SystemExit(f"{len(files)} files were too few for {seconds:g} s")
            convert(files[number])
            answers.append(_answer(number, sent_s, time.time() - sent_s))
        return answers

    with ThreadPoolExecutor(callers) as threads:
        found = [thread.result() for thread in [threads.submit(caller) for _ in range(callers)]]
    return sorted(itertools.chain.from_iterable(found), key=lambda answer: answer.sequence)


def markdown(file: File) -> str:
    """What Docling makes of a file."""
    stream = importlib.import_module("docling.datamodel.base_models").DocumentStream
    result = _converter().convert(stream(name=file.name, stream=io.BytesIO(file.data)))
    text: str = result.document.export_to_markdown()
    return text


@cache
def _converter() -> Any:
    return importlib.import_module("docling.document_converter").DocumentConverter()


def _warm_up() -> None:
    for file in Files(0).mixed(4):
        markdown(file)


def _start(all_warm: Any) -> None:
    """Of a process of the pool: load, and wait for the others."""
    _warm_up()
    all_warm.wait(_START_LIMIT_S)


def _nothing() -> None:
    """Has a process started."""


def _answer(number: int, sent_s: float, latency_s: float) -> Answer:
    return Answer(number=number, sequence=number, status=OK, sent_s=sent_s, latency_s=latency_s, headers={})
