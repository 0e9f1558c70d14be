"""One agent of the mesh (OpenBao, Consul, Nomad) as a process in the background."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ops import leftovers
from ops.progress import Progress
from services.common.errors import StartupError

_POLL_S = 0.1
_UNSEEN_S = 1.0
"""A program has no command line yet for a moment after it began."""
_TAIL_BYTES = 4096
_TAIL_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """What runs, and where its log goes. It carries no state: its process is found by its command line."""

    name: str
    title: str
    """Its name for people."""
    command: Sequence[str]
    log: Path
    stack: str
    """The mesh that it belongs to."""
    environ: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""
    """Network namespace that it runs in; empty for the machine's own."""

    def process(self) -> psutil.Process | None:
        """The running process; None when there is none."""
        for process in leftovers.find(self.stack):
            with contextlib.suppress(psutil.Error):
                if process.cmdline() == list(self.command):
                    return process
        return None

    def start(self) -> None:
        """Start it in a session of its own, so that it outlives the command; nothing when it runs.

        Raises:
            StartupError: the system refused.
        """
        if self.process():
            return
        # `ip netns exec` would also give it a /sys without control groups.
        enter = ["nsenter", f"--net=/run/netns/{self.namespace}"] if self.namespace else []
        try:
            with self.log.open("ab") as output:
                subprocess.Popen(  # noqa: S603 - our own command line
                    [*enter, *self.command],
                    env={**self.environ, leftovers.MARKER: self.stack},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as exc:
            raise StartupError(f"{self.title} cannot be started with its log {self.log}: {exc.strerror}") from exc

    def wait(self, is_ready: Callable[[], bool], limit_s: float, progress: Progress) -> None:
        """Wait until it is ready.

        Raises:
            StartupError: it ended, or time is over; the message has the end of its log.
        """
        seen_s = time.monotonic()
        until_s = seen_s + limit_s
        while not (is_ready() and self.process()):  # another's agent may answer in its place
            progress.waiting(f"waiting for {self.title}")
            if self.process():
                seen_s = time.monotonic()
            elif time.monotonic() - seen_s > _UNSEEN_S:
                raise StartupError(f"{self.title} ended; the end of {self.log}:\n{self.last_words()}")
            if time.monotonic() > until_s:
                raise StartupError(
                    f"{self.title} is not ready after {limit_s:g} s; the end of {self.log}:\n{self.last_words()}"
                )
            time.sleep(_POLL_S)
        progress.done()

    def end(self, grace_s: float) -> None:
        """End it alone, not what it started: SIGTERM, and SIGKILL after `grace_s`."""
        if process := self.process():
            with contextlib.suppress(psutil.Error):
                process.terminate()
                psutil.wait_procs([process], timeout=grace_s)
                process.kill()

    def last_words(self) -> str:
        """The end of its log."""
        try:
            data = self.log.read_bytes()[-_TAIL_BYTES:]
        except OSError:
            return ""
        return "\n".join(data.decode(errors="replace").splitlines()[-_TAIL_LINES:])
