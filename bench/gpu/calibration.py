"""Step: what the machine is, and what a bare matrix product and a bare copy do on it."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import version

import torch

from bench.gpu import steps
from bench.gpu.peaks import peak_of
from bench.gpu.steps import Options, Report
from bench.gpu.timing import seconds
from bench.machine import cores, cpu_name
from services.common.errors import StartupError
from services.gpu.devices.nvml import NvmlSource

_PACKAGES = ("torch", "transformers", "sentence-transformers", "numpy", "tokenizers")


def measure(report: Report, options: Options) -> None:
    """Describe the machine and time bare products and copies."""
    card = torch.cuda.get_device_name(options.device) if options.has_gpu else cpu_name()
    peak = peak_of(card)
    report.put(machine=_machine(card), peak=asdict(peak) if peak else None, calibration=None)
    figures = [_product(report, options, dtype) for dtype in options.dtypes]
    report.put(calibration=[*figures, _copy(report, options)])


def _machine(card: str) -> dict[str, object]:
    return {
        "card": card,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "float32_products": torch.get_float32_matmul_precision(),
        "python": platform.python_version(),
        "cpu": cpu_name(),
        "cores": cores(),
        "load_1m": os.getloadavg()[0],
        **{name: version(name) for name in _PACKAGES},
    }


def _driver() -> str:
    try:
        source = NvmlSource()
    except StartupError as exc:
        return f"none: {exc}"
    try:
        return source.read().driver_version
    finally:
        source.close()


def _product(report: Report, options: Options, dtype: str) -> dict[str, object]:
    size = 128 if options.is_tiny else 8192
    left, right = (
        torch.randn(size, size, device=options.device, dtype=getattr(torch, dtype), generator=_random(options))
        for _ in range(2)
    )
    taken = seconds(lambda: left @ right, turns=5, device=options.device, calls=3)
    rates = [2 * size**3 / turn_s / 1e12 for turn_s in taken]
    return asdict(report.figure(f"matrix product {size}^3 {dtype}", "TFLOP/s", rates, dtype=dtype))


def _copy(report: Report, options: Options) -> dict[str, object]:
    count = 2**16 if options.is_tiny else 2**30
    source = torch.randint(0, 255, (count,), device=options.device, dtype=torch.uint8)
    target = torch.empty_like(source)
    taken = seconds(lambda: target.copy_(source), turns=5, device=options.device, calls=3)
    rates = [2 * count / turn_s / 1e9 for turn_s in taken]
    return asdict(report.figure("copy, bytes read and written", "GB/s", rates))


def _random(options: Options) -> torch.Generator:
    return torch.Generator(options.device).manual_seed(0)


if __name__ == "__main__":
    steps.run("calibration", measure)
