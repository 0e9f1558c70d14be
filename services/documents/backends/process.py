"""One worker process, as the service sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self
from weakref import ref

from services.common.errors import InvalidRequest, UnprocessableFile, error_class
from services.common.telemetry import request_id
from services.documents.backends import frames
from services.documents.backends.base import Document, Output, Page, Paged, Parsed
from services.documents.backends.child import ChildProcess, ProcessDied

_MODULE = "services.documents.backends.worker"

AskEngines = Callable[[frames.Message], Awaitable[frames.Message]]
"""Passes a worker's call on to the engines; ProcessDied where they are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """What a worker is told when it starts."""

    log_level: str
    memory_bytes: int
    """Memory that a file may take beyond the idle worker's."""
    max_unpacked_bytes: int
    max_output_bytes: int
    start_s: float
    """Longest time to become ready."""

    def message(self) -> frames.Message:
        """The worker's first message."""
        return frames.Message(
            header={
                "log_level": self.log_level,
                "memory_bytes": self.memory_bytes,
                "max_unpacked_bytes": self.max_unpacked_bytes,
                "max_output_bytes": self.max_output_bytes,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker does with a file."""

    document: Document
    page: int | None = None
    """Read this page of it."""
    pages: Sequence[Page] | None = None
    """Make the document of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a worker made of a task."""

    outcome: Parsed | Paged | Page | InvalidRequest
    resident_bytes: int
    """Memory that the worker holds now."""
    is_worn: bool = False
    """True when it should get no other file."""


class WorkerLost(ProcessDied):
    """The worker was gone before it had the file: another may have it."""


class WorkerProcess:
    """Does one task at a time. Made by `start`.

    Args:
        child: the process.
        ask_engines: whom it calls on the way.
    """

    def __init__(self, child: ChildProcess, ask_engines: AskEngines) -> None:
        self._child = child
        self._ask_engines = ask_engines
        self._held: ref[Document] | None = None
        """The file in pages that it still has open."""
        self.files = 0
        """Tasks that it was given."""

    @classmethod
    async def start(cls, config: WorkerConfig, ask_engines: AskEngines) -> Self:
        """Start a worker and wait until it is warm.

        Raises:
            ProcessDied: it ended or took too long; its log lines say why.
        """
        # Calls of the engines have a page's pixels, which are fewer bytes than the largest result.
        child = await ChildProcess.start(
            _MODULE, config.message(), start_s=config.start_s, max_bytes=config.max_output_bytes
        )
        return cls(child, ask_engines)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        """True until its end was seen."""
        return self._child.is_alive

    @property
    def end_reason(self) -> str:
        """Why it was killed; empty for one that lives or crashed."""
        return self._child.end_reason

    def holds(self, document: Document) -> bool:
        """Whether it has the file open, from a task before."""
        return self._held is not None and self._held() is document

    async def do(self, task: Task) -> Answer:
        """Have it do a task. Cancelled, it is left in the middle of it: kill it.

        Raises:
            WorkerLost: it was gone before it had the file.
            ProcessDied: it crashed on the file.
        """
        self.files += 1
        try:
            await self._child.exchange(self._message(task))
        except ProcessDied as exc:
            raise WorkerLost(str(exc)) from exc
        self._held = None
        reply = await self._child.receive()
        while "call" in reply.header:
            await self._child.send(await self._engines_answer(reply))
            reply = await self._child.receive()
        try:
            answer = Answer(
                outcome=_outcome(reply),
                resident_bytes=int(reply.header["resident_bytes"]),
                is_worn=bool(reply.header.get("is_worn")),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise ProcessDied("it sent an answer that is none") from exc
        if task.page is not None or isinstance(answer.outcome, Paged):
            self._held = ref(task.document)
        return answer

    def kill(self, reason: str) -> None:
        """End it now, with whatever it started."""
        self._child.kill(reason)

    async def ended(self) -> int:
        """Wait until it is gone; returns its exit status, negative for a signal."""
        return await self._child.ended()

    async def _engines_answer(self, call: frames.Message) -> frames.Message:
        try:
            return await self._ask_engines(call)
        except ProcessDied as exc:
            return frames.Message(header={"problem": str(exc)})

    def _message(self, task: Task) -> frames.Message:
        document = task.document
        header = {
            "filename": document.filename,
            "outputs": list(document.outputs),
            "include": list(document.include),
            "paging": asdict(document.paging),
            "request_id": request_id.current.get(),
            "is_held": self.holds(document),
            "page": task.page,
        }
        parts = [] if self.holds(document) else [document.data]
        if task.pages is not None:
            header["pages"] = [page.number for page in task.pages]
            parts += [page.content for page in task.pages]
        return frames.Message(header=header, parts=parts)


def _outcome(reply: frames.Message) -> Parsed | Paged | Page | InvalidRequest:
    header: Any = reply.header
    if "error" in header:
        error = header["error"]
        cls = error_class(error["code"])
        refusal = cls if cls is not None and issubclass(cls, InvalidRequest) else UnprocessableFile
        return refusal(str(error["message"]), param=error["param"])
    if "page" in header:
        content, text = reply.parts
        return Page(
            number=int(header["page"]),
            content=content,
            text=text.decode(),
            errors=[str(error) for error in header["errors"]],
        )
    if "pages" in header:
        first, end = header["pages"]
        errors = [str(error) for error in header["errors"]]
        return Paged(format=str(header["format"]), pages=range(int(first), int(end)), errors=errors)
    return Parsed(
        format=str(header["format"]),
        outputs={Output(name): part for name, part in zip(header["outputs"], reply.parts, strict=True)},
        errors=[str(error) for error in header["errors"]],
    )
