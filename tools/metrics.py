"""Print the Prometheus metrics of one part: name and meaning, one a line. Services run with their fake backends.

python tools/metrics.py embedding
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY

from services.common.telemetry.logs import configure_logs

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("gateway", *sorted(path.parent.name for path in ROOT.glob("services/*/__main__.py")))


def families() -> Iterator[tuple[str, str]]:
    """Name and meaning of every metric of ours that the process has now."""
    for family in REGISTRY.collect():
        if family.name.startswith("isolane_"):
            yield family.name + ("_total" if family.type == "counter" else ""), family.documentation


async def service_families(name: str) -> list[tuple[str, str]]:
    """The metrics of a service while it serves."""
    os.environ[f"ISOLANE_{name.upper()}_BACKEND"] = "fake"
    configure_logs(name, "error")
    settings = importlib.import_module(f"services.{name}.settings")
    build = importlib.import_module(f"services.{name}.app").build
    async with build(getattr(settings, f"{name.capitalize()}Settings").load()).engine:
        return list(families())


def metrics(part: str) -> list[tuple[str, str]]:
    """The metrics of a part, those of the kit with them."""
    if part == "gateway":
        importlib.import_module("gateway.server")
        return list(families())
    return asyncio.run(service_families(part))


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", choices=PARTS)
    for name, meaning in metrics(parser.parse_args().part):
        print(f"{name}\t{meaning}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
