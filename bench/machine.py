"""What this machine offers; every system that is measured may use all of it."""

from __future__ import annotations

import os

from services.gpu.devices.cpu import read_cpu


def cores() -> int:
    """Cores that this process and those it starts may use."""
    return len(os.sched_getaffinity(0))


def cpu_name() -> str:
    """The processor's model."""
    return read_cpu().name
