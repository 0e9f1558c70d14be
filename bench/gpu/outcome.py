"""How the run went, step by step: `python -m bench.gpu.outcome WORK OUT STEP STATUS SECONDS LIMIT`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_CUT = {124, 137}
"""Exit statuses of `timeout`: it asked the step to end, or killed it."""


def add(work: Path, out: Path, step: str, *, status: int, taken_s: float, limit_s: float) -> dict[str, Any]:
    """Add a step to run.json, which also has what the first step found out about the machine; gives the entry."""
    path, machine = out / "run.json", work / "calibration.json"
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"steps": []}
    found = json.loads(machine.read_text(encoding="utf-8")) if machine.is_file() else {}
    outcome = "passed" if status == 0 else "cut" if status in _CUT else "failed"
    entry = {"step": step, "outcome": outcome, "status": status, "seconds": taken_s, "limit_s": limit_s}
    steps = [*content["steps"], entry]
    kept = {name: found.get(name) for name in ("device", "tiny", "machine", "peak", "calibration")}
    path.write_text(json.dumps({**kept, "steps": steps}, indent=1) + "\n", encoding="utf-8")
    return entry


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    work, out, step, status, taken_s, limit_s = arguments
    entry = add(Path(work), Path(out), step, status=int(status), taken_s=float(taken_s), limit_s=float(limit_s))
    print(f"== {step}: {entry['outcome']} in {taken_s} s of {limit_s}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
