"""Files to documents: check, admit, parse within the deadline, count."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

from services.common import caller
from services.common.deadline import Clock, Deadline
from services.common.errors import InvalidRequest, Overloaded, RequestError, TooLarge
from services.common.fair_semaphore import FairSemaphore
from services.common.places import Places
from services.common.reply import Backlog
from services.documents import metrics
from services.documents.backends.base import Document, DocumentBackend, Format, Parsed
from services.documents.settings import DocumentsSettings

_MAX_FILENAME_BYTES = 255
_NOT_IN_NAMES = re.compile(r"[/\\\x00-\x1f\x7f]")
_FIRST_GUESS_S = 0.5
"""Assumed time of a file before one was measured."""
_DECAY = 0.2
"""Weight of the newest file in the running mean of time."""


class DocumentsEngine:
    """A backend behind an admission that bounds who waits. Enter it to start the backend.

    Args:
        settings: limits.
        backend: what parses.
        clock: monotonic seconds.
    """

    def __init__(self, settings: DocumentsSettings, backend: DocumentBackend, *, clock: Clock = time.monotonic) -> None:
        self._settings = settings
        self._backend = backend
        self._clock = clock
        self._workers = FairSemaphore(settings.workers)
        self._places = Places(settings.workers + settings.max_queued, "files")
        self._mean_s = _FIRST_GUESS_S
        self._shown = metrics.in_flight()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start the backend."""
        await self._stack.enter_async_context(self._backend)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the backend."""
        await self._stack.aclose()

    async def run(self) -> None:
        """Keep the backend alive until cancelled."""
        await self._backend.run()

    @property
    def formats(self) -> Sequence[Format]:
        """What is parsed, by name ascending."""
        return self._backend.formats

    def backlog(self) -> Backlog:
        """Files that wait, and how long the next one would."""
        workers = self._settings.workers
        waiting = max(0, self._places.taken - workers)
        ahead = self._places.taken - workers + 1
        return Backlog(queued_cost=waiting, predicted_wait_s=max(0.0, ahead * self._mean_s / workers))

    async def parse(self, document: Document, deadline: Deadline) -> Parsed:
        """Parse a file.

        Raises:
            InvalidRequest, TooLarge: the request is wrong.
            Overloaded: too many files wait already; nothing was done.
            DeadlineExceeded: the deadline passed; the work was ended.
            RequestError: see `DocumentBackend.parse`.
        """
        self._check(document)
        deadline.check("documents: parse")
        try:
            with self._admitted():
                async with deadline.enforce(f"documents: parse {document.filename}"):
                    parsed = await self._in_turn(document)
        except RequestError as exc:
            metrics.files().labels("unknown", exc.code).inc()
            raise
        self._learn(parsed)
        return parsed

    async def _in_turn(self, document: Document) -> Parsed:
        """Parse once it is the client's turn at a worker, so that nobody waits for all that another has sent."""
        queued_s = self._clock()
        async with self._workers.hold(caller.current.get()):
            waited_us = round((self._clock() - queued_s) * 1e6)
            parsed = await self._backend.parse(document)
        return replace(parsed, queue_us=parsed.queue_us + waited_us)

    def _check(self, document: Document) -> None:
        name = document.filename
        if not name or len(name.encode()) > _MAX_FILENAME_BYTES or _NOT_IN_NAMES.search(name):
            raise InvalidRequest(
                f"filename: it needs 1 to {_MAX_FILENAME_BYTES} bytes without path separators and control characters",
                param="filename",
            )
        if not document.data:
            raise InvalidRequest(f"{name}: the file is empty; send its content", param="data")
        if (size := len(document.data)) > self._settings.max_file_bytes:
            raise TooLarge(f"{name}: {size} bytes; at most {self._settings.max_file_bytes}; split it", param="data")

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Count the file while it is here; refuse it when too many wait, or too many of its client."""
        asking = caller.current.get()
        if problem := self._places.problem(asking):
            wait_s = max(1.0, self.backlog().predicted_wait_s)
            raise Overloaded(f"documents: {problem}; try again in {wait_s:.0f} s", retry_after_s=wait_s)
        self._shown.inc()
        try:
            with self._places.hold(asking):
                yield
        finally:
            self._shown.dec()

    def _learn(self, parsed: Parsed) -> None:
        metrics.files().labels(parsed.format, "ok").inc()
        metrics.parse_seconds().labels(parsed.format).observe(parsed.compute_us / 1e6)
        self._mean_s += _DECAY * (parsed.compute_us / 1e6 - self._mean_s)
