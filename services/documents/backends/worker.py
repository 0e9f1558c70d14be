"""The process that parses: `python -m services.documents.backends.worker`, started by `process`.

It reads a configuration, says that it is ready, then does one task after the other and answers on standard output. On
the way it may call the engines, through the service. It ends when standard input does, and with its parent.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import services
from services.common.errors import InvalidRequest, UnprocessableFile
from services.common.telemetry import request_id
from services.common.telemetry.logs import configure_logs, get_logger
from services.documents.backends import frames, pipes, sandbox
from services.documents.backends.base import Document, Include, Output, Page, Paged, Paging, Parsed
from services.documents.backends.resident import Resident

if TYPE_CHECKING:
    from services.documents.backends.reading.parser import DoclingParser

log = get_logger()


def main() -> int:
    """Serve until standard input ends; returns the exit status."""
    sandbox.die_with_parent()
    requests, replies = pipes.take()
    if (first := frames.read_blocking(requests)) is None:
        return 0
    service = _Service(requests, replies)
    try:
        parser = _prepare(first.header, service)
    except ImportError as exc:
        frames.write_blocking(replies, frames.Message(header={"problem": str(exc)}))
        return 1
    bench = _Bench(parser)
    resident = Resident()
    frames.write_blocking(replies, frames.Message(header={"ready": True}))
    while (request := frames.read_blocking(requests)) is not None:
        frames.write_blocking(replies, frames.Message(header={"received": True}))
        answer = bench.answer(request)
        header = {**answer.header, "resident_bytes": resident.settle()}
        frames.write_blocking(replies, replace(answer, header=header))
    return 0


@dataclass(frozen=True, slots=True)
class _Service:
    """The other end of the pipes."""

    requests: BinaryIO
    replies: BinaryIO

    def ask(self, call: frames.Message) -> frames.Message:
        """Call the engines, in the middle of a task."""
        frames.write_blocking(self.replies, call)
        answer = frames.read_blocking(self.requests)
        return answer if answer is not None else sys.exit(0)


def _prepare(config: Mapping[str, Any], service: _Service) -> DoclingParser:
    """Load and warm the parser, then give up every right that it does not need."""
    configure_logs("documents", config["log_level"])
    # Docling imports these where they are installed: 650 MB and 8 s rather than 150 MB and 4 s, for models unused here.
    modules: dict[str, Any] = sys.modules
    modules.update(torch=None, transformers=None)
    from services.documents.backends.engines.calls import RemoteEngines  # noqa: PLC0415 - after the line above
    from services.documents.backends.reading.parser import DoclingParser  # noqa: PLC0415

    parser = DoclingParser(
        engines=RemoteEngines(service.ask),
        max_unpacked_bytes=config["max_unpacked_bytes"],
        max_output_bytes=config["max_output_bytes"],
    )
    parser.warm_up()
    sandbox.limit_memory(config["memory_bytes"])
    sandbox.confine([Path(folder) for folder in services.__path__])
    return parser


class _Bench:
    """Does tasks; a file in pages stays on it, for more of it may come.

    Args:
        parser: does them.
    """

    def __init__(self, parser: DoclingParser) -> None:
        self._parser = parser
        self._document: Document | None = None

    def answer(self, request: frames.Message) -> frames.Message:
        """A task's result, or the error that is the file's own."""
        request_id.current.set(request.header["request_id"])
        document = self._take(request)
        try:
            return self._do(document, request)
        except InvalidRequest as exc:
            return _refusal(exc)
        except MemoryError:
            pass  # the error's traceback holds all that memory; it goes with this block
        gc.collect()
        log.warning("file_out_of_memory")
        # Libraries whose allocations failed are not to be trusted with another file.
        if (number := request.header["page"]) is None:
            problem = f"{document.filename}: parsing takes too much memory; split the file"
        else:
            problem = f"page {number}: it takes too much memory and is left out; save it in a simpler form"
        return _refusal(UnprocessableFile(problem), is_worn=True)

    def _take(self, request: frames.Message) -> Document:
        """The file of a request: a new one, or the last one again."""
        if request.header["is_held"] and self._document is not None:
            return self._document
        self._parser.close()
        self._document = _document(request)
        return self._document

    def _do(self, document: Document, request: frames.Message) -> frames.Message:
        header = request.header
        if (number := header["page"]) is not None:
            return _page_reply(self._parser.read_page(document, number))
        if (numbers := header.get("pages")) is not None:
            contents = request.parts[-len(numbers) :] if numbers else []
            pages = [Page(number=number, content=content) for number, content in zip(numbers, contents, strict=True)]
            self._document = None
            return _reply(self._parser.assemble(document, pages))
        made = self._parser.parse(document)
        if isinstance(made, Paged):
            return _paged_reply(made)
        self._document = None
        return _reply(made)


def _document(request: frames.Message) -> Document:
    header = request.header
    return Document(
        filename=header["filename"],
        data=request.parts[0],
        outputs=[Output(output) for output in header["outputs"]],
        include=[Include(part) for part in header["include"]],
        paging=Paging(**header["paging"]),
    )


def _page_reply(page: Page) -> frames.Message:
    header = {"page": page.number, "errors": list(page.errors)}
    return frames.Message(header=header, parts=[page.content, page.text.encode(errors="replace")])


def _paged_reply(paged: Paged) -> frames.Message:
    pages = [paged.pages.start, paged.pages.stop]
    return frames.Message(header={"format": paged.format, "pages": pages, "errors": list(paged.errors)})


def _reply(parsed: Parsed) -> frames.Message:
    return frames.Message(
        header={
            "format": parsed.format,
            "outputs": list(parsed.outputs),
            "errors": list(parsed.errors),
        },
        parts=list(parsed.outputs.values()),
    )


def _refusal(error: InvalidRequest, *, is_worn: bool = False) -> frames.Message:
    return frames.Message(
        header={
            "error": {"code": error.code, "message": error.message, "param": error.param},
            "is_worn": is_worn,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
