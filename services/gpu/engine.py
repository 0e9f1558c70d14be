"""The node's inventory: read from a driver that may fail, vanish or hang."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TypeVar

from services.common.errors import StartupError
from services.common.telemetry.logs import get_logger
from services.gpu.devices.base import DeviceSource, Inventory
from services.gpu.devices.cpu import read_cpu
from services.gpu.gauges import InventoryGauges
from services.gpu.settings import GpuSettings

ValueT = TypeVar("ValueT")

log = get_logger()


class GpuEngine:
    """Reads a device source. Enter it to open the source; run `run` supervised while it serves.

    Args:
        settings: what is required, and times.
        load: opens the source; blocking, raises StartupError when there is no GPU.
    """

    def __init__(self, settings: GpuSettings, load: Callable[[], DeviceSource]) -> None:
        self._settings = settings
        self._load = load
        self._source: DeviceSource | None = None
        self._reading: asyncio.Future[Inventory] | None = None
        self._reading_since_s = 0.0
        self._gpus = Inventory()
        self._current = Inventory()
        self._gauges = InventoryGauges()

    async def __aenter__(self) -> GpuEngine:
        """Open the source and read it once; without a usable GPU, go on with the CPU or end, as settings say."""
        try:
            await self._start()
        except StartupError as exc:
            if self._settings.require_gpu:
                raise StartupError(f"require_gpu is set and no GPU is usable: {exc}") from exc
            log.warning("no_usable_gpu", reason=str(exc))
        inventory = await self.inventory()
        log.info("devices_found", devices=[device.id for device in inventory.devices], driver=inventory.driver_version)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the driver, unless it hangs."""
        self._gauges.show(Inventory())
        if self._source is not None and (self._reading is None or self._reading.done()):
            await asyncio.wait({_on_daemon_thread(self._source.close)}, timeout=self._settings.read_timeout_s)

    async def run(self) -> None:
        """Read now and then until cancelled, for the metrics and the log."""
        while True:
            await self.inventory()
            await asyncio.sleep(self._settings.sample_interval_s)

    async def inventory(self) -> Inventory:
        """The devices as they are now; with the CPU where no GPU is usable. Takes `read_timeout_s` at most."""
        found = await self._read(self._settings.read_timeout_s) if self._source is not None else Inventory()
        if not found.has_usable_gpu:
            found = replace(found, devices=(*found.devices, read_cpu()))
        _log_changes(self._current, found)
        self._gauges.show(found)
        self._current = found
        return found

    async def _start(self) -> None:
        """Open the source and find a usable GPU; StartupError when there is none."""
        self._source = await self._open()
        found = await self._read(self._settings.start_timeout_s)
        if not found.has_usable_gpu:
            problems = [f"{device.id}: {device.problem}" for device in found.devices]
            raise StartupError("; ".join(problems) or "the driver does not answer; check it with nvidia-smi")

    async def _open(self) -> DeviceSource:
        opening = _on_daemon_thread(self._load)
        await asyncio.wait({opening}, timeout=self._settings.start_timeout_s)
        if not opening.done():
            opening.cancel()
            raise StartupError(f"the driver did not start within {self._settings.start_timeout_s:g} s")
        return opening.result()

    async def _read(self, timeout_s: float) -> Inventory:
        """One reading, shared by all who wait; the last one with every device failing when it does not come."""
        if self._reading is None or self._reading.done():
            assert self._source is not None  # noqa: S101 - told to mypy
            self._reading = _on_daemon_thread(self._source.read)
            self._reading_since_s = time.monotonic()
        reading = self._reading
        # Counted from the reading's start, so that a driver that hangs is waited for once and not by every caller.
        elapsed_s = time.monotonic() - self._reading_since_s
        await asyncio.wait({reading}, timeout=max(0.0, timeout_s - elapsed_s))
        if not reading.done():
            elapsed_s = time.monotonic() - self._reading_since_s
            return _failing(self._gpus, f"the driver has not answered for {elapsed_s:.0f} s; check it with nvidia-smi")
        try:
            self._gpus = reading.result()
        except Exception:
            log.exception("reading_failed")
            return _failing(self._gpus, "the driver cannot be read; the log of the gpu service has the cause")
        return self._gpus


def _failing(inventory: Inventory, problem: str) -> Inventory:
    return replace(inventory, devices=tuple(device.failing(problem) for device in inventory.devices))


def _log_changes(before: Inventory, after: Inventory) -> None:
    """Log each device whose health changed."""
    problems = {device.id: device.problem for device in before.devices}
    for device in after.devices:
        if device.id in problems and bool(problems[device.id]) != bool(device.problem):
            write = log.warning if device.problem else log.info
            write("device_health", device=device.id, is_healthy=device.is_healthy, problem=device.problem)


def _on_daemon_thread(function: Callable[[], ValueT]) -> asyncio.Future[ValueT]:
    """Run a call that may never return: unlike a pool's thread, this one does not keep the process from ending."""
    future: concurrent.futures.Future[ValueT] = concurrent.futures.Future()

    def run() -> None:
        future.set_running_or_notify_cancel()
        try:
            future.set_result(function())
        except BaseException as exc:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(exc)

    threading.Thread(target=run, name="driver", daemon=True).start()
    return asyncio.wrap_future(future)
