"""`isolane local`: from settings to a running stack and to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from ops import leftovers, ports
from ops.client import Gateway
from ops.local import preflight
from ops.local.parts import GATEWAY, Part, stack_parts, wanted_ports
from ops.local.ready import answers_ok
from ops.local.report import welcome
from ops.local.secrets import SecretsFolder
from ops.local.state import StateFolder
from ops.local.supervisor import Supervisor
from ops.progress import Progress
from ops.settings import OpsSettings, project_root

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_stack(settings: OpsSettings, progress: Progress) -> None:
    """Run the stack until SIGINT, SIGTERM or SIGHUP; a second signal kills what still runs.

    Raises:
        StartupError: something is missing or taken, a part failed at start, or a stack already runs here.
    """
    folder = StateFolder(settings.state_dir)
    with folder.lock():
        preflight.check_disk(folder.path)
        if ended := leftovers.end(str(folder.path), settings.stop_grace_s):
            progress.say(f"ended {ended} processes of a stack whose supervisor was killed")
        parts = stack_parts(settings, ports.choose(wanted_ports(settings)))
        folder.set_aside_logs()
        SecretsFolder.of(settings).renew()
        if settings.backend == "real":
            preflight.warn_of_little_memory(progress)
        try:
            asyncio.run(_supervise(settings, parts, folder, progress))
        finally:
            leftovers.end(str(folder.path), settings.stop_grace_s)
            folder.clear()
        progress.say("everything ended")


async def _supervise(settings: OpsSettings, parts: tuple[Part, ...], folder: StateFolder, progress: Progress) -> None:
    url = next(part.url for part in parts if part.name == GATEWAY)
    supervisor = Supervisor(
        parts,
        folder=folder,
        cwd=project_root(),
        progress=progress,
        url=url,
        backend=settings.backend,
        grace_s=settings.stop_grace_s,
    )
    stopping = _stop_signal(supervisor)
    async with supervisor:
        start = supervisor.wait_healthy(lambda: answers_ok(f"{url}/health/ready"), settings.start_timeout_s)
        if not await _unless(stopping, start):
            return
        progress.say(await asyncio.to_thread(_welcome, supervisor, url))
        progress.say(
            "Ctrl-C or `just stop` ends everything." if progress.is_terminal else "`just stop` ends everything."
        )
        supervisor.announce()
        await supervisor.run_until(stopping)


def _welcome(supervisor: Supervisor, url: str) -> str:
    with Gateway(url) as gateway:
        return welcome(supervisor.state(), gateway)


def _stop_signal(supervisor: Supervisor) -> asyncio.Event:
    """An event that the first signal sets; the next ones are for those in a hurry."""
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            supervisor.hurry()
        stopping.set()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return stopping


async def _unless(stopping: asyncio.Event, body: Coroutine[Any, Any, None]) -> bool:
    """Run the body; False when the signal came first."""
    running, stopped = asyncio.ensure_future(body), asyncio.ensure_future(stopping.wait())
    await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if running.done():
        await running
        return True
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return False
