"""The generator of loads of single requests: vegeta, a compiled one, built once from the module that tools/vegeta pins.

Callers that do more than one request are those of `bench.callers`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from ops.mesh.binaries import pinned_version
from ops.mesh.toolchain import find_go, go_environment
from ops.progress import Progress
from ops.settings import cache_dir, project_root

MODULE = "github.com/tsenart/vegeta/v12"
_BUILD_LIMIT_S = 900


def vegeta(progress: Progress) -> Path:
    """The program in its pinned version: built before, or built now in about a minute."""
    module = project_root() / "tools" / "vegeta"
    version = pinned_version(module / "go.mod", MODULE)
    built = cache_dir() / f"vegeta-{version}" / "vegeta"
    if not built.exists():
        go = find_go(progress)
        progress.say(f"building vegeta {version} with {go}, once: about a minute")
        _build(go, module, built)
    return built


def _build(go: str, module: Path, built: Path) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    part = built.with_suffix(".part")
    command = [go, "build", "-ldflags", "-s -w", "-o", str(part), MODULE]
    done = subprocess.run(
        command, cwd=module, env=go_environment(), capture_output=True, text=True, timeout=_BUILD_LIMIT_S, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"vegeta could not be built; correct this and try again:\n{done.stderr[-2000:]}")
    part.replace(built)
