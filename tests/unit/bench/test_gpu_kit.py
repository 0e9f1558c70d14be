"""What is gathered for a GPU machine: installed from the lock, without weights, and small enough."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.gpu import kit

UV = """#!/bin/sh
printf '%s\\n' "$*" >"$UV_CALL"
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/model"
echo code >"$2/code.py"
head -c 1000 /dev/zero >"$2/model/model.safetensors"
exit "$UV_STATUS"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose `uv` installs one module and one model."""
    tree, programs = tmp_path / "tree", tmp_path / "programs"
    tree.mkdir()
    programs.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=tree, check=True)
    (tree / ".gitignore").write_text(f"{kit.KIT}/\n")
    (tree / "source.py").write_text("x" * 100)
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("UV_CALL", str(tmp_path / "call"))
    monkeypatch.setenv("UV_STATUS", "0")
    monkeypatch.setattr(kit, "ROOT", tree)
    return tree


def test_wheels_of_the_lock_are_installed_with_their_hashes_for_the_other_python(root: Path) -> None:
    kit.gather(root)

    call = (root.parent / "call").read_text()
    assert "--require-hashes" in call
    assert f"--requirements {root}/requirements/gpu-kit.txt" in call
    assert "--python-version 3.12 --python-platform x86_64-manylinux_2_28 --only-binary :all:" in call


def test_weights_stay_behind_and_so_does_an_older_kit(root: Path) -> None:
    old = root / kit.KIT / "site" / "old.py"
    old.parent.mkdir(parents=True)
    old.touch()

    kit.gather(root)

    assert [path.name for path in (root / kit.KIT).rglob("*") if path.is_file()] == ["code.py"]


def test_tree_kit_and_the_folders_beside_them_count(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside = root.parent / "beside"
    beside.mkdir()
    (beside / "data").write_text("y" * 50)

    status = kit.main([str(beside)])

    assert status == 0
    assert kit.sizes(root, [beside]) == {"tree": 100 + len(f"{kit.KIT}/\n"), kit.KIT: 5, str(beside): 50}
    assert "together, of 64" in capsys.readouterr().out


def test_what_is_too_large_to_travel_fails(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kit, "LIMIT_BYTES", 100)

    assert kit.main([]) == 1
    assert "too large to travel" in capsys.readouterr().err


def test_an_install_that_fails_ends_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_STATUS", "2")

    with pytest.raises(SystemExit, match="uv failed"):
        kit.gather(root)


def test_the_lock_has_nothing_that_the_machine_has_of_its_own() -> None:
    names = {
        line.split("==")[0]
        for line in (kit.ROOT / "requirements" / "gpu-kit.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }

    assert "msgspec" in names
    assert names.isdisjoint({"torch", "triton", "numpy", "transformers", "sentence-transformers", "tokenizers"})
