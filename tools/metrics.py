"""Print the Prometheus metrics of one part, those of the kit with them: name and meaning, one a line.

python tools/metrics.py embedding
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from prometheus_client import REGISTRY

from services.common.telemetry import metrics as kit

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("gateway", *sorted(path.parent.name for path in ROOT.glob("services/*/__main__.py")))


def families() -> Iterator[tuple[str, str]]:
    """Name and meaning of every metric of ours that the process has now."""
    for family in REGISTRY.collect():
        if family.name.startswith("isolane_"):
            yield family.name + ("_total" if family.type == "counter" else ""), family.documentation


def make_all(module: ModuleType) -> None:
    """Make the metrics of which a module has the functions."""
    for function in vars(module).values():
        if hasattr(function, "cache_info") and function.__module__ == module.__name__:
            function()


def build(service: str) -> None:
    """Build a service, whose objects make its metrics; nothing is loaded."""
    settings = importlib.import_module(f"services.{service}.settings")
    importlib.import_module(f"services.{service}.app").build(getattr(settings, f"{service.capitalize()}Settings")())


def metrics(part: str) -> Iterator[tuple[str, str]]:
    """The metrics of a part, those of the kit with them."""
    make_all(kit)
    own = "gateway.metrics" if part == "gateway" else f"services.{part}.metrics"
    if find_spec(own):
        make_all(importlib.import_module(own))
    if part != "gateway":
        build(part)
    return families()


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", choices=PARTS)
    for name, meaning in metrics(parser.parse_args().part):
        print(f"{name}\t{meaning}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
