"""Format the HCL of nomad/, consul/ and vault/ with the pinned Nomad, or check it and every job; asks no agent.

python tools/hcl.py             # format
python tools/hcl.py --check     # exit 1 and one line per problem
python tools/hcl.py --prepare   # only build Nomad where it is missing, which takes minutes, once
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ops.mesh.binaries import GO_TOOLS, go_tool
from ops.progress import Progress
from ops.settings import cache_dir, inherited_environment
from services.common.errors import StartupError

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("nomad", "consul", "vault")
DRIVERS = {"dev": "raw_exec", "production": "docker"}
"""What runs the tasks, by the file of variables."""
PROGRAMS = {"raw_exec": "command", "docker": "image"}
"""What a task's config must have, by driver; those of the others it must not have."""


def find_nomad() -> Path:
    """Nomad in its pinned version; built where there is none."""
    tool = next(tool for tool in GO_TOOLS if tool.name == "nomad")
    return go_tool(tool, root=ROOT, cache=cache_dir(), progress=Progress())


def run(nomad: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Nomad, which reaches no agent: one that runs here would have its say in what is valid."""
    environ = {name: value for name, value in inherited_environment().items() if not name.startswith("NOMAD_")}
    return subprocess.run(
        [str(nomad), *arguments],
        cwd=ROOT,
        env={**environ, "NOMAD_ADDR": "unix:///nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def files(pattern: str) -> list[str]:
    """Files of the tree, relative to its root."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))


def format_problems(nomad: Path) -> Iterator[str]:
    """Files that are not formatted, or are no HCL."""
    done = run(nomad, "fmt", "-check", "-recursive", *FOLDERS)
    for file in done.stdout.split():
        yield f"{file}: not formatted; run `just lint`"
    errors = re.findall(r"Error: (.+)\s+on (\S+) line (\d+)", done.stderr)
    for what, file, line in errors:
        yield f"{file}:{line}: {what}; correct it"
    if done.returncode != 0 and not done.stdout and not errors:
        yield f"{', '.join(FOLDERS)}: {one_line(done.stderr)}; correct it"


def job_problems(nomad: Path, job: str, variables: str) -> Iterator[str]:
    """What is wrong with a job under a file of variables."""
    path = f"nomad/vars/{variables}.hcl"
    done = run(nomad, "job", "validate", f"-var-file={path}", job)
    if done.returncode != 0:
        yield f"{job} with {path}: {one_line(done.stderr or done.stdout)}; correct one of them"
        return
    rendered = json.loads(run(nomad, "job", "run", "-output", f"-var-file={path}", job).stdout)["Job"]
    for task in tasks(rendered):
        if problem := driver_problem(task, DRIVERS[variables]):
            yield f"{job} with {path}: task {task.get('Name') or 'of the sidecar'} {problem}; correct its config"


def tasks(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tasks of a job, and those of its sidecars that do not take what Nomad injects."""
    for group in job["TaskGroups"]:
        yield from group["Tasks"]
        sidecars = [(service["Connect"] or {}).get("SidecarTask") for service in group["Services"] or []]
        yield from (sidecar for sidecar in sidecars if sidecar)


def driver_problem(task: dict[str, Any], driver: str) -> str:
    """Why a task does not run with a driver; empty when it does."""
    if task["Driver"] != driver:
        return f"has the driver {task['Driver']}, not {driver}"
    config = task["Config"] or {}
    found = sorted({key for key in PROGRAMS.values() if key in config})
    if found != [PROGRAMS[driver]]:
        return f"has {' and '.join(found) or 'neither'} where {driver} takes {PROGRAMS[driver]}"
    return ""


def one_line(text: str) -> str:
    """Nomad's words without its line breaks and its general remarks."""
    lines = [line.strip().removeprefix("<nil>: ") for line in text.splitlines()]
    remarks = ("Driver configuration not validated", "Error getting job struct")
    return "; ".join(line for line in lines if line and not line.startswith(remarks))


def problems(nomad: Path) -> list[str]:
    """Everything that is wrong, one line each."""
    found = list(format_problems(nomad))
    for job in files("nomad/jobs/*.nomad.hcl"):
        for variables in DRIVERS:
            found += job_problems(nomad, job, variables)
    return found


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--check", action="store_true", help="only report; exit 1 when something is wrong")
    modes.add_argument("--prepare", action="store_true", help="only find or build Nomad")
    mode = parser.parse_args()
    try:
        nomad = find_nomad()
    except StartupError as exc:
        print(f"hcl: {exc}", file=sys.stderr)
        return 1
    if mode.prepare:
        return 0
    if mode.check:
        found = problems(nomad)
        print("\n".join(found), end="\n" if found else "", file=sys.stderr)
        return 1 if found else 0
    done = run(nomad, "fmt", "-recursive", *FOLDERS)
    print(done.stdout + done.stderr, end="")
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
