"""The two shell scripts that run before there is an environment, with stand-ins for python3, just and uv."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMANDS = (
    *("sh", "awk", "cat", "chmod", "cksum", "cmp", "cp", "cut", "date", "df", "dirname", "grep", "mkdir", "printf"),
    *("rm", "sleep", "tail"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A copy of the scripts, and a PATH with nothing but the stand-ins."""

    root: Path
    bin: Path
    calls: list[str] = field(default_factory=list)

    def stand_in(self, name: str, script: str = "exit 0") -> None:
        """A command that writes its arguments down and then runs the script."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>"{self.root}/calls"\n{script}\n')
        path.chmod(0o755)

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            check=False,
            cwd="/",
            env={"PATH": str(self.bin), **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
        calls = self.root / "calls"
        self.calls[:] = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return done

    def wrapper(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.root / "just"), *arguments)

    def setup(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.root / "tools" / "environment.sh"), name)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    root, binaries = tmp_path / "project with space", tmp_path / "bin"
    (root / "tools").mkdir(parents=True)
    binaries.mkdir()
    for path in ("just", "tools/environment.sh", "pyproject.toml"):
        shutil.copy(ROOT / path, root / path)
    shutil.copytree(ROOT / "requirements", root / "requirements")
    for name in COMMANDS:
        found = shutil.which(name)
        assert found is not None
        (binaries / name).symlink_to(found)
    return Sandbox(root=root, bin=binaries)


FAKE_TOOLS = r"""
for name in just uv; do
  printf '#!/bin/sh\necho %s "$*"\n' "$name" >"$folder/bin/$name"
  chmod +x "$folder/bin/$name"
done
"""

NO_VENV = 'case "$*" in *"-m venv"*) exit 1 ;; esac\n'
NO_PIP = 'case "$*" in *"-m pip"*) exit 1 ;; esac\n'
TARGET = f"""case "$*" in
  *--target*) while [ "$1" != --target ]; do shift; done; folder=$2; mkdir -p "$folder/bin"; {FAKE_TOOLS} ;;
esac
"""


def test_wrapper_uses_just_and_uv_from_path(sandbox: Sandbox) -> None:
    sandbox.stand_in("just")
    sandbox.stand_in("uv")

    done = sandbox.wrapper("local", "--backend", "fake")

    assert done.returncode == 0
    assert sandbox.calls == [f"just --justfile {sandbox.root}/justfile local --backend fake"]
    assert not (sandbox.root / ".tools").exists()


def test_wrapper_installs_hashed_pins_with_debians_pip_where_venv_is_missing(sandbox: Sandbox) -> None:
    sandbox.stand_in("python3", NO_VENV + TARGET)

    done = sandbox.wrapper("local")

    assert done.stdout.strip() == f"just --justfile {sandbox.root}/justfile local"
    (install,) = [call for call in sandbox.calls if "pip install" in call]
    assert "--require-hashes" in install
    assert f"-r {sandbox.root}/requirements/tools.txt" in install


def test_wrapper_installs_once(sandbox: Sandbox) -> None:
    sandbox.stand_in("python3", NO_VENV + TARGET)
    sandbox.wrapper("local")

    sandbox.wrapper("local")

    assert sandbox.calls == []


def test_wrapper_installs_again_when_the_pins_change(sandbox: Sandbox) -> None:
    sandbox.stand_in("python3", NO_VENV + TARGET)
    sandbox.wrapper("local")
    (sandbox.root / "requirements" / "tools.txt").write_text("uv==99\n")

    sandbox.wrapper("local")

    assert any("pip install" in call for call in sandbox.calls)


def test_wrapper_without_venv_and_pip_names_the_package_to_install(sandbox: Sandbox) -> None:
    sandbox.stand_in("python3", NO_VENV + NO_PIP)

    done = sandbox.wrapper("local")

    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_wrapper_without_a_new_enough_python_says_so(sandbox: Sandbox) -> None:
    sandbox.stand_in("python3", "exit 1")

    done = sandbox.wrapper("local")

    assert done.returncode == 1
    assert "no Python 3.11 or newer" in done.stderr


UV = """case "$1" in
  venv) mkdir -p .venv/bin; cp "$(command -v python3)" .venv/bin/python ;;
esac
"""


@pytest.fixture
def installed(sandbox: Sandbox) -> Sandbox:
    sandbox.stand_in("python3")
    sandbox.stand_in("uv", UV)
    assert sandbox.setup("dev").returncode == 0
    return sandbox


def test_setup_installs_the_locked_set_with_hashes(installed: Sandbox) -> None:
    calls = "\n".join(installed.calls)

    assert "uv pip sync --require-hashes requirements/dev.txt" in calls
    assert "--no-python-downloads" in calls


def test_setup_tells_what_it_installs_and_how_long_it_took_and_lists_no_packages(sandbox: Sandbox) -> None:
    sandbox.stand_in("python3")
    sandbox.stand_in("uv", UV + 'case "$1" in pip) echo " + one==1"; echo " + two==2" >&2 ;; esac')

    done = sandbox.setup("local")

    lines = (done.stdout + done.stderr).splitlines()
    assert len(lines) == 2, lines
    assert re.fullmatch(r"setup: installing 1\d\d packages, about \d+ MB, into \.venv", lines[0])
    assert re.fullmatch(r"setup: installed in \d+ s", lines[1])


def test_setup_with_nothing_to_do_calls_nothing_but_python(installed: Sandbox) -> None:
    installed.setup("dev")

    assert [call for call in installed.calls if not call.startswith("python3")] == []


def test_setup_for_users_takes_nothing_from_developers(installed: Sandbox) -> None:
    (installed.root / "requirements" / "dev.txt").write_text("new==1\n")

    installed.setup("local")

    assert any("requirements/dev.txt" in call for call in installed.calls)
    assert not any("requirements/local.txt" in call for call in installed.calls)


def test_setup_installs_again_when_the_lock_changes(installed: Sandbox) -> None:
    (installed.root / "requirements" / "dev.txt").write_text("new==1\n")

    installed.setup("dev")

    assert any("pip sync" in call for call in installed.calls)


def test_failed_setup_is_tried_again(sandbox: Sandbox) -> None:
    sandbox.stand_in("python3")
    sandbox.stand_in("uv", UV + 'case "$*" in *sync*) exit 7 ;; esac')
    failed = sandbox.setup("local")

    sandbox.setup("local")

    assert failed.returncode == 7
    assert any("pip sync" in call for call in sandbox.calls)


def test_failed_setup_shows_uvs_words_whole(sandbox: Sandbox) -> None:
    words = "error: no such host\n  Caused by: a cable"
    sandbox.stand_in("python3")
    sandbox.stand_in("uv", UV + f'case "$*" in *sync*) echo "{words}" >&2; exit 2 ;; esac')

    done = sandbox.setup("local")

    assert f"{words}\nsetup: failed: uv pip sync" in done.stderr


def test_setup_fails_when_a_package_lacks_what_it_needs(sandbox: Sandbox) -> None:
    problem = "The package litestar requires anyio, but it is not installed"
    sandbox.stand_in("python3")
    sandbox.stand_in("uv", UV + f'case "$*" in *check*) echo "{problem}" >&2; exit 1 ;; esac')

    done = sandbox.setup("local")

    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [problem, "setup: failed: uv pip check"]
    assert not (sandbox.root / ".venv" / "isolane-requirements").exists()


def test_setup_without_uv_says_what_to_use(sandbox: Sandbox) -> None:
    done = sandbox.setup("local")

    assert done.returncode == 1
    assert "use ./just in place of just" in done.stderr


def test_setup_without_a_new_enough_python_says_so(sandbox: Sandbox) -> None:
    sandbox.stand_in("uv", 'echo "No interpreter found" >&2; exit 2')

    done = sandbox.setup("local")

    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "UV_PYTHON" in done.stderr


def test_setup_on_a_full_disk_says_so_before_it_downloads(sandbox: Sandbox) -> None:
    (sandbox.bin / "df").unlink()
    sandbox.stand_in("df", "echo header; echo disk 10 9 102400 90% /")
    sandbox.stand_in("uv", UV)

    done = sandbox.setup("local")

    assert done.returncode == 1
    assert "102 MB free on the disk" in done.stderr
    assert not any(call.startswith("uv") for call in sandbox.calls)
