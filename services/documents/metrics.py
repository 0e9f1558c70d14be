"""The metrics of the documents service, each made when it is first used."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from services.common.telemetry.metrics import LATENCY_BUCKETS


@cache
def files() -> Counter:
    """Files that came."""
    return Counter(
        "isolane_documents_files_total",
        "Files by format and outcome: ok, partial (not all of it is in the answer), or the code of an error. The "
        "format of an answer is what the file was, otherwise what its name says.",
        ["format", "outcome"],
    )


@cache
def parse_seconds() -> Histogram:
    """How long files take."""
    return Histogram(
        "isolane_documents_parse_seconds", "Time with a worker, by format.", ["format"], buckets=LATENCY_BUCKETS
    )


@cache
def pages() -> Counter:
    """Pages that were read."""
    return Counter(
        "isolane_documents_pages_total",
        "Pages by format and outcome: ok, partial (something of it could not be read), failed (it is left out).",
        ["format", "outcome"],
    )


@cache
def page_seconds() -> Histogram:
    """How long pages take."""
    return Histogram(
        "isolane_documents_page_seconds",
        "Time of a page with a worker, by format; the engines' part is in it.",
        ["format"],
        buckets=LATENCY_BUCKETS,
    )


@cache
def engine_seconds() -> Histogram:
    """How long the models take."""
    return Histogram(
        "isolane_documents_engine_seconds",
        "Time of a call of the page models: regions (of a page), cells (of a table), lines (where text is), "
        "upside_down, recognize (the text of some lines).",
        ["call"],
        buckets=LATENCY_BUCKETS,
    )


@cache
def in_flight() -> Gauge:
    """Files that are here."""
    return Gauge("isolane_documents_in_flight", "Files that are parsed or wait for it.")


@cache
def workers() -> Gauge:
    """Workers that may be given a file."""
    return Gauge("isolane_documents_workers", "Worker processes that are warm.")


@cache
def worker_ends() -> Counter:
    """Workers that are gone."""
    return Counter(
        "isolane_documents_worker_ends_total",
        "Worker processes that ended and were replaced: crashed, abandoned (deadline or caller gone), recycled.",
        ["reason"],
    )
