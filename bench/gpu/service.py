"""The embedding service as a process, as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.common.errors import StartupError
from services.embedding.settings import EmbeddingSettings

_POLL_S = 0.1
_END_LIMIT_S = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """How a service is reached."""

    address: str
    """Of gRPC."""
    metrics_url: str
    pid: int


class Service:
    """Enter it to start the process, on free ports; leave it to end it.

    Args:
        settings: values by name, without the prefix, as `MAX_BATCH_TOKENS`.
        log: file that gets what the service writes.
    """

    def __init__(self, settings: Mapping[str, str], log: Path) -> None:
        self._settings = {"PORT": "0", "METRICS_PORT": "0", **settings}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Service:
        own = {name: value for name, value in os.environ.items() if not name.startswith("ISOLANE_")}
        prefix = EmbeddingSettings.prefix()
        environ = own | {prefix + name: value for name, value in self._settings.items()}
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "services.embedding"]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, env=environ)
        return self

    def __exit__(self, *problem: object) -> None:
        assert self._process is not None  # it was entered
        self._process.terminate()
        try:
            self._process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self, limit_s: float) -> Endpoints:
        """Until it serves.

        Raises:
            StartupError: it ended, or took too long; the message has its last lines.
        """
        assert self._process is not None  # it was entered
        ends_s = time.monotonic() + limit_s
        while True:
            has_ended = self._process.poll() is not None
            for event in self._events():
                if event.get("event") == "serving":
                    return Endpoints(
                        address=f"{event['host']}:{event['port']}",
                        metrics_url=f"http://{event['host']}:{event['metrics_port']}/metrics",
                        pid=self._process.pid,
                    )
            if has_ended or time.monotonic() > ends_s:
                raise StartupError(f"the service did not start: {self._log.read_text(encoding='utf-8')[-1000:]}")
            time.sleep(_POLL_S)

    def _events(self) -> Iterator[dict[str, Any]]:
        """Whole lines of its log that are JSON."""
        *lines, _ = self._log.read_text(encoding="utf-8").split("\n")
        return (json.loads(line) for line in lines if line.startswith("{"))
