"""Where the GPU service's objects meet."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from services.common.errors import StartupError
from services.common.lifecycle import ServiceApp
from services.gpu.devices.base import DeviceSource
from services.gpu.devices.fake import FakeSource
from services.gpu.engine import GpuEngine
from services.gpu.servicer import registration
from services.gpu.settings import GpuSettings


def build(settings: GpuSettings, *, source: DeviceSource | None = None) -> ServiceApp:
    """Build the service; the driver is first asked when its engine is entered.

    Args:
        settings: of this process.
        source: used instead of the one that the settings name.
    """
    load = (lambda: source) if source is not None else _loader(settings)
    engine = GpuEngine(settings, load)
    return ServiceApp(registrations=[registration(engine)], engine=engine, background=[engine.run])


def _loader(settings: GpuSettings) -> Callable[[], DeviceSource]:
    return FakeSource if settings.backend == "fake" else _load_nvml


def _load_nvml() -> DeviceSource:
    """Import NVML only now: the fake devices and the tests need none."""
    try:
        module = importlib.import_module("services.gpu.devices.nvml")
    except ImportError as exc:
        raise StartupError(f"NVML's Python package cannot be imported ({exc}); install the extra gpu") from exc
    source: DeviceSource = module.NvmlSource()
    return source
