"""Gather what must travel to a GPU machine without a package index: `python -m bench.gpu.kit [FOLDER...]`.

Wheels of CPython 3.12 are installed into `.gpu-kit/site`, with the hashes of `requirements/gpu-kit.txt`, so that there
nothing has to be installed: the folder goes on PYTHONPATH, and the machine keeps its own torch.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KIT = ".gpu-kit"
LIMIT_BYTES = 64_000_000
"""Of all that travels together."""

_TARGET = ("--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:")
_WEIGHTS = ("*.safetensors", "*.onnx", "*.bin")
"""Weights are made there."""


def gather(root: Path) -> None:
    """Make the kit anew.

    Raises:
        SystemExit: uv is missing or failed.
    """
    uv = shutil.which("uv")
    if uv is None:
        raise SystemExit("gpu-kit: uv is not on PATH; use ./just in place of just")
    site = root / KIT / "site"
    shutil.rmtree(root / KIT, ignore_errors=True)
    locked = ("--no-deps", "--require-hashes", "--requirements", str(root / "requirements" / "gpu-kit.txt"))
    install = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(site), *_TARGET, *locked]
    if subprocess.run(install, check=False).returncode:
        raise SystemExit("gpu-kit: uv failed; the reason is above")
    for pattern in _WEIGHTS:
        for path in site.rglob(pattern):
            path.unlink()


def sizes(root: Path, beside: Sequence[Path]) -> dict[str, int]:
    """Bytes of what travels: files that git tracks or does not ignore, the kit, and folders beside them.

    Args:
        root: of the tree.
        beside: more folders.
    """
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, capture_output=True, check=True).stdout.split(b"\0")
    tree = {root / os.fsdecode(name) for name in names if name}
    found = {"tree": _bytes(tree), KIT: _bytes((root / KIT).rglob("*"))}
    return found | {str(folder): _bytes(folder.rglob("*")) for folder in beside}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status, 1 when it is too large to travel."""
    parser = argparse.ArgumentParser(prog="gpu-kit", description="Gather what must travel to a GPU machine.")
    parser.add_argument("beside", nargs="*", type=Path, metavar="FOLDER", help="travels too, and counts")
    beside: list[Path] = parser.parse_args(arguments).beside
    if missing := [str(folder) for folder in beside if not folder.is_dir()]:
        parser.error(f"{', '.join(missing)}: no such folder")
    gather(ROOT)
    found = sizes(ROOT, beside)
    total = sum(found.values())
    for name, size in found.items():
        print(f"{size / 1e6:6.1f} MB  {name}")
    print(f"{total / 1e6:6.1f} MB  together, of {LIMIT_BYTES / 1e6:.0f}")
    if total > LIMIT_BYTES:
        print("gpu-kit: too large to travel; leave something out", file=sys.stderr)
    return int(total > LIMIT_BYTES)


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.lstat().st_size for path in paths if path.is_file() or path.is_symlink())


if __name__ == "__main__":
    sys.exit(main())
