"""What a running stack writes down for other commands, and the lock that allows one supervisor per state folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from services.common.errors import StartupError

SUPERVISOR = "supervisor"
"""Name of the log of a supervisor in the background."""

_TRIES = 5
_RETRY_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """One process of the stack."""

    name: str
    pid: int
    """0 while it waits to be started again."""
    url: str
    log: str
    healthy: bool
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """A stack as its supervisor last saw it."""

    pid: int
    """The supervisor."""
    url: str
    """Of the gateway."""
    backend: str
    ready: bool
    """True once every part was healthy."""
    parts: Sequence[PartState]


class StateFolder:
    """The files of one stack.

    Args:
        path: the folder; it is made when it is first written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path / "state.json"

    def log(self, name: str) -> Path:
        """The log file of a part, or of the supervisor."""
        if name == SUPERVISOR:
            # Beside the others: a supervisor sets those aside while it writes its own.
            return self.path / f"{name}.log"
        return self.path / "logs" / f"{name}.log"

    def log_names(self) -> list[str]:
        """The parts that have a log, and the supervisor where it has one."""
        paths = [*(self.path / "logs").glob("*.log"), *self.path.glob(f"{SUPERVISOR}.log")]
        return sorted(path.stem for path in paths)

    def write(self, state: StackState) -> None:
        """Replace the state, at once and whole."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8")
        fresh.replace(self._file)

    def read(self) -> StackState | None:
        """The last written state; None when there is none."""
        try:
            raw: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
            parts = tuple(PartState(**part) for part in raw.pop("parts"))
            return StackState(**raw, parts=parts)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            return None  # written by another version

    def running(self) -> StackState | None:
        """The state of the stack while its supervisor lives."""
        state, supervisor = self.read(), self.supervisor()
        return state if state and supervisor and state.pid == supervisor.pid else None

    def supervisor(self) -> psutil.Process | None:
        """The living process that holds the lock, also before it has written a state."""
        with contextlib.suppress(OSError, ValueError, psutil.Error), (self.path / "lock").open() as file:
            if not _is_free(file):
                return psutil.Process(int(file.read()))
        return None

    def set_aside_logs(self) -> None:
        """Begin new logs; the last run's stay beside them as NAME.log.1."""
        for path in (self.path / "logs").glob("*.log"):
            path.replace(path.with_suffix(".log.1"))

    def set_aside_supervisor_log(self) -> None:
        """The same for the supervisor's own log, before it starts."""
        path = self.log(SUPERVISOR)
        if path.exists():
            path.replace(path.with_suffix(".log.1"))

    def clear(self) -> None:
        """Forget the state: everything ended."""
        self._file.unlink(missing_ok=True)

    def check_free(self) -> None:
        """Raise StartupError when a supervisor holds the folder, or the folder cannot be written."""
        self.make()
        with self._open_lock() as file:
            if not _is_free(file):
                raise StartupError(self._held())

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder's lock; the kernel frees it when the process dies.

        Raises:
            StartupError: another supervisor holds it, or the folder cannot be written.
        """
        self.make()
        with self._open_lock() as file:
            if not _take(file):
                raise StartupError(self._held())
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield
            file.truncate(0)

    def make(self) -> None:
        """Make the folder; StartupError when it cannot be made."""
        try:
            (self.path / "logs").mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise self._unusable(exc) from exc

    def _open_lock(self) -> IO[str]:
        try:
            return (self.path / "lock").open("a")
        except OSError as exc:
            raise self._unusable(exc) from exc

    def _unusable(self, failure: OSError) -> StartupError:
        return StartupError(
            f"{self.path}: the state folder cannot be written ({failure.strerror}); "
            "correct that, or name another with ISOLANE_OPS_STATE_DIR"
        )

    def _held(self) -> str:
        state, supervisor = self.running(), self.supervisor()
        who = f"supervisor pid {supervisor.pid}" if supervisor else "its supervisor is ending"
        where = f", gateway {state.url}" if state else ""
        return f"a local stack already runs here ({who}{where}); `just stop` ends it"


def _is_free(lock: IO[str]) -> bool:
    """False while a supervisor lives that holds the lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(lock, fcntl.LOCK_UN)
    return True


def _take(lock: IO[str]) -> bool:
    """Take the lock; False when another supervisor has it."""
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        # A command that asks who holds it has it for an instant.
        time.sleep(_RETRY_S)
    return False
