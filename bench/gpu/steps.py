"""What all steps share: their command line, and a JSON file that is whole after every figure."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.gpu.peaks import Peak
from bench.report import Figure

MACHINE = "calibration.json"
"""In the work folder: what the first step found out about the machine, for the files of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a step is run."""

    device: str
    """cpu, cuda or cuda:N."""
    is_tiny: bool
    """Sizes that a CPU computes in seconds; their figures mean nothing."""
    work: Path
    """Folder for models and for what steps tell each other."""
    budget_s: float
    """Time after which nothing new is begun."""

    @property
    def has_gpu(self) -> bool:
        """True when it runs on a GPU."""
        return self.device.startswith("cuda")

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Number types that torch serves there, the most used first."""
        return ("bfloat16", "float32", "float16") if self.has_gpu else ("bfloat16", "float32")


class Report:
    """The file of a step: written anew with every entry, so that a step that is cut leaves what it had.

    Args:
        step: its name.
        out: folder of the file.
        options: of the run.
    """

    def __init__(self, step: str, out: Path, options: Options) -> None:
        self._path = out / f"{step}.json"
        self._ends_s = time.monotonic() + options.budget_s
        self._content: dict[str, Any] = {
            "step": step,
            "complete": False,
            "device": options.device,
            "tiny": options.is_tiny,
            **_machine(options.work),
            "figures": [],
            "facts": {},
            "left_out": [],
        }
        self._write()

    @property
    def peak(self) -> Peak | None:
        """The card's peak, where it is known."""
        found = self._content["peak"]
        return Peak(**found) if found else None

    def figure(self, name: str, unit: str, values: Sequence[float], **labels: str) -> Figure:
        """Add a measured number, and print it."""
        figure = Figure.of(name, unit, values, **labels)
        print(f"{name}: {figure.median:,.4g} {unit} ({figure.low:,.4g} to {figure.high:,.4g})", flush=True)
        self._content["figures"].append(asdict(figure))
        self._write()
        return figure

    def fact(self, name: str, value: object) -> None:
        """Add what is no measured number, and print it."""
        print(f"{name}: {value}", flush=True)
        self._content["facts"][name] = value
        self._write()

    def has_time(self, what: str) -> bool:
        """False, with a note in the file, when `what` must be left out."""
        if time.monotonic() < self._ends_s:
            return True
        print(f"{what}: left out, no time", flush=True)
        self._content["left_out"].append(what)
        self._write()
        return False

    def put(self, **entries: object) -> None:
        """Set entries beside the figures."""
        self._content |= entries
        self._write()

    def _write(self) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(self._content, indent=1) + "\n", encoding="utf-8")
        draft.replace(self._path)


def run(step: str, body: Callable[[Report, Options], bool | None]) -> None:
    """Run a step from the command line.

    Args:
        step: its name, and that of its file.
        body: does it; False when what it checked is not so.

    Raises:
        SystemExit: with 1 when the step failed.
    """
    parser = ArgumentParser(prog=f"bench.gpu.{step}")
    parser.add_argument("--out", type=Path, required=True, help="folder for the JSON file")
    parser.add_argument("--work", type=Path, required=True, help="folder for models")
    parser.add_argument("--device", default="cuda", help="cpu, cuda or cuda:N")
    parser.add_argument("--budget", type=float, default=3600.0, help="seconds after which nothing new is begun")
    parser.add_argument("--tiny", action="store_true", help="sizes for a dry run")
    given = parser.parse_args()
    options = Options(device=given.device, is_tiny=given.tiny, work=given.work, budget_s=given.budget)
    report = Report(step, given.out, options)
    is_good = body(report, options) is not False
    report.put(complete=True)
    raise SystemExit(0 if is_good else 1)


def _machine(work: Path) -> dict[str, Any]:
    path = work / MACHINE
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: found.get(name) for name in ("machine", "peak", "calibration")}
