"""Generate the committed gRPC stubs in `proto/gen` from `proto/isolane`, or check that they are in sync.

python tools/protos.py           # write proto/gen anew
python tools/protos.py --check   # exit 1 and list what differs
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "proto"
COMMITTED = SOURCE / "gen"
BIN = Path(sys.executable).parent


def generate(target: Path) -> None:
    """Write the stubs of every proto file, with their types, below `target`."""
    target.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path.relative_to(SOURCE)) for path in (SOURCE / "isolane").rglob("*.proto"))
    arguments = [
        "protoc",
        f"--plugin=protoc-gen-mypy={BIN / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={BIN / 'protoc-gen-mypy_grpc'}",
        f"--proto_path={SOURCE}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out=quiet:{target}",
        f"--mypy_grpc_out=quiet,only_async:{target}",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protos: protoc failed; its message is above")
    package = target / "isolane"
    for folder in [package, *(path for path in package.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()
    (package / "py.typed").touch()


def relative_files(folder: Path) -> set[Path]:
    """All generated files below `folder`, as relative paths."""
    return {
        path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }


def differences(committed: Path, fresh: Path) -> list[str]:
    """One line for each file that is missing, left over or different."""
    have, want = relative_files(committed), relative_files(fresh)
    lines = [f"missing: {path}" for path in sorted(want - have)]
    lines += [f"left over: {path}" for path in sorted(have - want)]
    lines += [
        f"differs: {path}"
        for path in sorted(have & want)
        if not filecmp.cmp(committed / path, fresh / path, shallow=False)
    ]
    return lines


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="only report; exit 1 when proto/gen is stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "gen"
        generate(fresh)
        if not check:
            shutil.rmtree(COMMITTED, ignore_errors=True)
            shutil.copytree(fresh, COMMITTED)
            return 0
        found = differences(COMMITTED, fresh)
    for line in found:
        print(f"proto/gen: {line}", file=sys.stderr)
    if found:
        print("proto/gen is out of sync with proto/isolane: run `just protos` and commit", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
