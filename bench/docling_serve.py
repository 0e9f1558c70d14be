"""docling-serve, the server that the documents service is compared with, in an environment of its own.

Its local engine with two workers, which are threads of one process; its answer is looked for without a pause (by
default it looks every 2 s); without the models for PDF pages (see `bench.docling_serve_start`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.environments import environment, running
from bench.serving import Served
from ops.ports import LOOPBACK, free_ports
from ops.progress import Progress

NAME = "docling-serve"

_SETTINGS = {
    "DOCLING_SERVE_ENG_KIND": "local",
    "DOCLING_SERVE_ENG_LOC_NUM_WORKERS": "2",
    "DOCLING_SERVE_SYNC_POLL_INTERVAL": "0",
    "DOCLING_SERVE_LOAD_MODELS_AT_BOOT": "false",
    "DOCLING_SERVE_LOG_LEVEL": "WARNING",
    "HF_HUB_OFFLINE": "1",
}


@contextmanager
def docling_serve(progress: Progress) -> Iterator[Served]:
    """docling-serve on a free port while the body runs.

    Args:
        progress: tells the person who watches.
    """
    installed = environment(NAME, progress, python=">=3.11,<3.14", gigabytes=6)
    (port,) = free_ports(1)
    start = str(Path(__file__).with_name("docling_serve_start.py"))
    # -P and no PYTHONPATH: what it imports is its own.
    command = [str(installed / "bin" / "python"), "-P", start, "run", "--host", LOOPBACK, "--port", str(port)]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | _SETTINGS
    log = installed / "log"
    with running(NAME, command, port=port, folder=installed, log=log, environ=environ) as served:
        yield served
