"""The process of the engines: `python -m services.documents.backends.engines.server`, started by `process`.

It reads a configuration, says that it is ready, then answers one call after the other on standard output. It ends when
standard input does, and with its parent.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import services
from services.common.telemetry.logs import configure_logs, get_logger
from services.documents.backends import frames, pipes, sandbox
from services.documents.backends.engines.base import Engines
from services.documents.backends.engines.calls import answer
from services.documents.backends.engines.chosen import ModelsUnusable

log = get_logger()


def main() -> int:
    """Serve until standard input ends; returns the exit status."""
    sandbox.die_with_parent()
    requests, replies = pipes.take()
    if (first := frames.read_blocking(requests)) is None:
        return 0
    configure_logs("documents", first.header["log_level"])
    modules: dict[str, Any] = sys.modules
    modules.update(openvino_telemetry=None)
    page_models = first.header["page_models"]
    if page_models is None:
        modules.update(torch=None)
    try:
        from services.documents.backends.engines.local import LocalEngines  # noqa: PLC0415 - after the lines above

        engines = LocalEngines(page_models=Path(page_models) if page_models is not None else None)
    except (ImportError, ModelsUnusable) as exc:
        frames.write_blocking(replies, frames.Message(header={"problem": str(exc)}))
        return 1
    sandbox.confine([Path(folder) for folder in services.__path__])
    frames.write_blocking(replies, frames.Message(header={"ready": True}))
    while (call := frames.read_blocking(requests)) is not None:
        frames.write_blocking(replies, _answer(engines, call))
    return 0


def _answer(engines: Engines, call: frames.Message) -> frames.Message:
    """What an engine found, or that the call is none that it can do: the fault of the page it came from."""
    try:
        return answer(engines, call)
    except Exception as exc:
        log.warning("engine_call_failed", call=str(call.header.get("call")), exc_info=exc)
        return frames.Message(header={"problem": f"{type(exc).__name__}: {exc}"})


if __name__ == "__main__":
    sys.exit(main())
