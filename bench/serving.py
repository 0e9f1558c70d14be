"""Servers under measurement: how they are reached, and how they keep still while it is another's turn."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from bench.load import Target

_AWAKE_LIMIT_S = 60.0
_RETRY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server that is measured."""

    name: str
    url: str
    """Of its API, without a path."""
    pid: int | None = None
    """The process whose whole tree it is; None when it cannot be halted, as the mesh."""
    metrics_urls: Mapping[str, str] = field(default_factory=dict)
    """Prometheus endpoints by service."""
    paths: Mapping[str, str] = field(
        default_factory=lambda: {
            "embed": "/v1/embeddings",
            "rerank": "/v1/rerank",
            "convert": "/v1/convert/file",
        }
    )

    def target(self, task: str, **headers: str) -> Target:
        """Where to send a load: `embed`, `rerank` or `convert`; underscores in header names stand for dashes."""
        dashed = {name.replace("_", "-"): value for name, value in headers.items()}
        return Target(url=self.url + self.paths[task], headers=dashed)

    @contextmanager
    def awake(self, warm_up: Callable[[], object]) -> Iterator[None]:
        """Let it run for the time of the body; the rest of the time it is halted and takes nothing from the others.

        Args:
            warm_up: a call to it, tried until it succeeds: connections may have to be made anew.
        """
        self.resume()
        try:
            _until_it_works(self.name, warm_up)
            yield
        finally:
            self.halt()

    def halt(self) -> None:
        """Stop its processes where they are, a supervisor before those that it watches."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Let its processes go on, a supervisor after those that it watches."""
        for process in reversed(self._processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def _processes(self) -> Sequence[psutil.Process]:
        if self.pid is None:
            return ()
        root = psutil.Process(self.pid)
        return (root, *root.children(recursive=True))


def _until_it_works(name: str, call: Callable[[], object]) -> None:
    end_s = time.monotonic() + _AWAKE_LIMIT_S
    while True:
        try:
            call()
        except (OSError, http.client.HTTPException, SystemExit) as problem:
            if time.monotonic() > end_s:
                raise SystemExit(f"{name} does not answer: {problem}") from problem
            time.sleep(_RETRY_S)
        else:
            return
