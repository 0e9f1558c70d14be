"""Files in pages through the gateway: pages a second, short files beside a long one, what leaving ends, and memory.

The long file is made of the pages of a given one, over and over, so that it has real text and nothing of it is cached
(no part of the documents service keeps results).
"""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pypdfium2

from bench.answers import percentile
from bench.calibration import calibrate
from bench.metrics import Samples, difference, scrape
from bench.report import Figure, parser, publish, say
from bench.resident import wait_until_warm
from bench.serving import Served
from bench.stack import local_stack
from services.documents.settings import DocumentsSettings

_OTHERS = {"EMBEDDING_BACKEND": "fake", "RERANKING_BACKEND": "fake"}
_PAGES, _PAGE_SECONDS = "isolane_documents_pages_total", "isolane_documents_page_seconds_sum"
_ENGINES = "isolane_documents_engine_seconds_sum"
_LIMIT_S = 600.0
_QUIET_S = 1.0
"""After which no page more means that the work has ended."""
_MIB = 1024 * 1024

OnPage = Callable[[int], bool]
"""Told how many pages were read; False to leave."""


def long_file(of: Path, pages: int) -> bytes:
    """A PDF with so many pages, those of a file again and again."""
    source, made = pypdfium2.PdfDocument(of), pypdfium2.PdfDocument.new()
    numbers = [at % len(source) for at in range(pages)]
    for at in range(0, pages, len(source)):
        made.import_pages(source, numbers[at : at + len(source)])
    file = io.BytesIO()
    made.save(file)
    for each in (made, source):
        each.close()
    return file.getvalue()


def convert(served: Served, data: bytes, on_page: OnPage = lambda _done: True, *, client: str = "bench") -> float:
    """Convert a file and follow its pages; returns the seconds until the document, or until leaving.

    Raises:
        SystemExit: it failed.
    """
    started_s = time.monotonic()
    files, headers = {"files": ("file.pdf", data, "application/pdf")}, {"X-Isolane-Client": client}
    with httpx.stream(
        "POST", f"{served.url}/v1/convert/file/stream", files=files, headers=headers, timeout=_LIMIT_S
    ) as reply:
        for line in reply.iter_lines():
            event = json.loads(line)
            if event.get("event") == "page" and not on_page(event["done"]):
                break
            if event.get("event") == "document" and event["result"]["status"] == "success":
                break
            if event.get("event") != "page":
                raise SystemExit(f"the file was not converted: {line[:300]}")
    return time.monotonic() - started_s


def measure(options: Namespace) -> Iterator[Figure]:
    """All figures."""
    defaults = DocumentsSettings()
    long, one = long_file(options.file, options.pages), long_file(options.file, 1)
    say(f"a file of {options.pages} pages, {len(long) / _MIB:.1f} MiB")
    with local_stack("isolane", **_OTHERS) as served:
        wait_until_warm(served, defaults.workers + defaults.spare_workers)
        convert(served, long_file(options.file, 20))
        yield from _alone(served, long, options)
        yield from _beside(served, long, one, options)
        yield from _leaving(served, long)
        yield from _resident(served)


def _alone(served: Served, long: bytes, options: Namespace) -> Iterator[Figure]:
    """One caller with the long file."""
    rates, shares = [], []
    for _ in range(options.rounds):
        before = _scrape(served)
        rates.append(options.pages / convert(served, long))
        happened = difference(before, _scrape(served))
        shares.append(100 * happened.get(_ENGINES, 0.0) / happened[_PAGE_SECONDS])
        say(f"  {rates[-1]:.1f} pages/s")
    yield Figure.of("one caller, pages", "pages/s", rates)
    yield Figure.of("one caller, the models' share of the workers' time", "%", shares)


def _beside(served: Served, long: bytes, one: bytes, options: Namespace) -> Iterator[Figure]:
    """Callers with one page each beside one with the long file, again and again."""
    over = threading.Event()
    latencies: list[float] = []

    def short(caller: int) -> None:
        while not over.is_set():
            latencies.append(convert(served, one, client=f"short-{caller}"))

    def follow() -> None:
        while not over.is_set():
            convert(served, long, lambda _done: not over.is_set(), client="long")

    before = _scrape(served)
    started_s = time.monotonic()
    with ThreadPoolExecutor(options.callers) as pool:
        tasks = [pool.submit(follow), *(pool.submit(short, number) for number in range(options.callers - 1))]
        time.sleep(options.seconds)
        over.set()
        for task in tasks:
            task.result()
    pages = difference(before, _scrape(served))[_PAGES] - len(latencies)
    where = f"{options.callers} callers, one with {options.pages} pages"
    for percent in (50, 95, 99):
        yield Figure.of(f"{where}: a file of one page, p{percent}", "ms", [percentile(latencies, percent) * 1e3])
    yield Figure.of(f"{where}: files of one page", "1/s", [len(latencies) / (time.monotonic() - started_s)])
    yield Figure.of(f"{where}: the long file", "pages/s", [pages / (time.monotonic() - started_s)])


def _leaving(served: Served, long: bytes) -> Iterator[Figure]:
    """A caller who leaves after five pages."""
    before = _scrape(served)
    convert(served, long, lambda done: done < 5)
    left = difference(before, _scrape(served)).get(_PAGES, 0.0)
    read, quiet_s = left, time.monotonic()
    while time.monotonic() - quiet_s < _QUIET_S:
        time.sleep(0.1)
        if (now := difference(before, _scrape(served)).get(_PAGES, 0.0)) > read:
            read, quiet_s = now, time.monotonic()
    yield Figure.of("pages read after a caller left", "pages", [read - left])


def _resident(served: Served) -> Iterator[Figure]:
    """The service, its workers and the models' process, after all this."""
    assert served.pid is not None
    wait_until_warm(served, DocumentsSettings().workers + DocumentsSettings().spare_workers)
    found: dict[str, list[float]] = {}
    for process in psutil.Process(served.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            module = next((word for word in process.cmdline() if word.startswith("services.documents")), "")
            if module:
                found.setdefault(module, []).append(process.memory_info().rss / _MIB)
    for module, values in sorted(found.items()):
        yield Figure.of(f"resident: {module}", "MiB", values)
    workers = sorted(found["services.documents.backends.worker"])
    rest = sum(sum(values) for module, values in found.items() if not module.endswith(".worker"))
    yield Figure.of("resident: service, two workers and models", "MiB", [rest + sum(workers[:2])])
    yield Figure.of("resident: with the spare worker", "MiB", [rest + sum(workers)])


def _scrape(served: Served) -> Samples:
    return scrape(served.metrics_urls["documents"])


def main() -> None:
    """Measure and print."""
    arguments = parser((__doc__ or "").splitlines()[0])
    arguments.add_argument("file", type=Path, help="a PDF whose pages make the long file")
    arguments.add_argument("--pages", type=int, default=300, help="of the long file")
    arguments.add_argument("--rounds", type=int, default=3, help="of the long file alone")
    arguments.add_argument("--seconds", type=float, default=30.0, help="of callers at once")
    arguments.add_argument("--callers", type=int, default=8, help="at once")
    options = arguments.parse_args()
    calibration = asyncio.run(calibrate())
    facts = {"file": options.file.name, "pages": options.pages, "seconds": options.seconds, "callers": options.callers}
    publish([*calibration, *measure(options)], options.json, **facts)


if __name__ == "__main__":
    main()
