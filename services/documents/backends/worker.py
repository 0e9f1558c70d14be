"""The process that parses: `python -m services.documents.backends.worker`, started by `process`.

It reads a configuration, says that it is ready, then answers one file after the other on standard output. It ends
when standard input does, and with its parent.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import services
from services.common.errors import InvalidRequest, UnprocessableFile
from services.common.telemetry import request_id
from services.common.telemetry.logs import configure_logs, get_logger
from services.documents.backends import frames, sandbox
from services.documents.backends.base import Document, Include, Output, Parsed
from services.documents.backends.resident import Resident

log = get_logger()

Parse = Callable[[Document], Parsed]


def main() -> int:
    """Serve until standard input ends; returns the exit status."""
    sandbox.die_with_parent()
    requests, replies = _take_pipes()
    if (first := frames.read_blocking(requests)) is None:
        return 0
    try:
        parse = _prepare(first.header)
    except ImportError as exc:
        frames.write_blocking(replies, frames.Message(header={"problem": str(exc)}))
        return 1
    resident = Resident()
    frames.write_blocking(replies, frames.Message(header={"ready": True}))
    while (request := frames.read_blocking(requests)) is not None:
        frames.write_blocking(replies, frames.Message(header={"received": True}))
        answer = _answer(parse, request)
        header = {**answer.header, "resident_bytes": resident.settle()}
        frames.write_blocking(replies, replace(answer, header=header))
    return 0


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for messages alone; what libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, replies


def _prepare(config: Mapping[str, Any]) -> Parse:
    """Load and warm the parser, then give up every right that it does not need."""
    configure_logs("documents", config["log_level"])
    # Docling imports these where they are installed: 650 MB and 8 s rather than 150 MB and 4 s, for models unused here.
    modules: dict[str, Any] = sys.modules
    modules.update(torch=None, transformers=None)
    from services.documents.backends.reading.parser import DoclingParser  # noqa: PLC0415 - after the line above

    parser = DoclingParser(max_unpacked_bytes=config["max_unpacked_bytes"], max_output_bytes=config["max_output_bytes"])
    parser.warm_up()
    sandbox.limit_memory(config["memory_bytes"])
    sandbox.confine([Path(folder) for folder in services.__path__])
    return parser.parse


def _answer(parse: Parse, request: frames.Message) -> frames.Message:
    """A file's result, or the error that is the file's own."""
    request_id.current.set(request.header["request_id"])
    document = Document(
        filename=request.header["filename"],
        data=request.parts[0],
        outputs=[Output(output) for output in request.header["outputs"]],
        include=[Include(part) for part in request.header["include"]],
    )
    try:
        return _reply(parse(document))
    except InvalidRequest as exc:
        return _refusal(exc)
    except MemoryError:
        pass  # the error's traceback holds all that memory; it goes with this block
    gc.collect()
    log.warning("file_out_of_memory")
    # Libraries whose allocations failed are not to be trusted with another file.
    error = UnprocessableFile(f"{document.filename}: parsing takes too much memory; split the file")
    return _refusal(error, is_worn=True)


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
