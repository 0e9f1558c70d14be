"""What a worker may do while it parses: compute in bounded memory, and nothing else.

Docling is set not to fetch anything; this holds also when an option or a library changes. It binds Python code, not a
library that runs native code of its own making: for that the service's own user and namespace are the fence.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.documents.backends.resident import address_space_bytes

_PR_SET_PDEATHSIG = 1

_REFUSED = (
    "os.exec",
    "os.fork",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.rename",
    "os.rmdir",
    "os.spawn",
    "os.symlink",
    "os.system",
    "os.truncate",
    "os.remove",
    "pty.spawn",
    "shutil.",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostby",
    "socket.send",
    "subprocess.Popen",
    "urllib.Request",
)
"""Starts of the names of Python's audit events that parsing never needs."""


def die_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends, even in the middle of a file."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(extra_bytes: int) -> None:
    """Let this process grow by so much from now on; beyond it, allocations fail."""
    limit = address_space_bytes() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # A core file would hold the document.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def confine(readable: Sequence[Path]) -> None:
    """Refuse network, processes, writing files, and reading files outside `readable`, for the rest of the process.

    What is refused raises PermissionError where it is tried.
    """
    folders = [*readable, Path(sys.prefix), Path(sys.base_prefix), Path(f"/proc/{os.getpid()}")]
    roots = tuple(f"{folder.resolve()}{os.sep}" for folder in folders)

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"{event}: not allowed while parsing")
        if event == "open":
            check_open(*arguments)

    def check_open(path: Any, _mode: str | None, flags: int) -> None:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise PermissionError(f"{path!r}: no file is written while parsing")
        if not isinstance(path, int) and not os.path.realpath(os.fsdecode(path)).startswith(roots):
            raise PermissionError(f"{path!r}: not read while parsing")

    sys.addaudithook(check)
