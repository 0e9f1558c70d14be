"""Find the installed text that rerankers are judged by, without importing any of it."""

from __future__ import annotations

import email
import importlib.util
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# Beside the standard library only what the set of developers has by way of sentence-transformers.
# A path may stop inside a package: the rest of torch and transformers is templated text that repeats itself.
PACKAGE_PATHS: tuple[str, ...] = (
    "huggingface_hub",
    "jinja2",
    "joblib",
    "networkx",
    "numpy/fft",
    "numpy/lib",
    "numpy/linalg",
    "numpy/ma",
    "numpy/_core",
    "numpy/polynomial",
    "numpy/random",
    "scipy/cluster",
    "scipy/fft",
    "scipy/integrate",
    "scipy/interpolate",
    "scipy/io",
    "scipy/linalg",
    "scipy/ndimage",
    "scipy/optimize",
    "scipy/signal",
    "scipy/sparse",
    "scipy/spatial",
    "scipy/special",
    "scipy/stats",
    "sentence_transformers",
    "sklearn",
    "sympy/combinatorics",
    "sympy/crypto",
    "sympy/functions",
    "sympy/geometry",
    "sympy/logic",
    "sympy/ntheory",
    "sympy/physics",
    "sympy/sets",
    "sympy/stats",
    "torch/_tensor_docs.py",
    "torch/_torch_docs.py",
    "torch/autograd",
    "torch/distributions",
    "torch/nn",
    "torch/optim",
    "transformers/generation",
    "transformers/pipelines",
)

DISTRIBUTIONS: tuple[str, ...] = (
    "anyio",
    "certifi",
    "click",
    "filelock",
    "fsspec",
    "huggingface-hub",
    "jinja2",
    "joblib",
    "markupsafe",
    "mpmath",
    "narwhals",
    "networkx",
    "numpy",
    "packaging",
    "pyyaml",
    "regex",
    "rich",
    "safetensors",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "setuptools",
    "sympy",
    "threadpoolctl",
    "tokenizers",
    "torch",
    "tqdm",
    "transformers",
    "typer",
    "typing-extensions",
)

_SKIPPED_FOLDERS = frozenset(
    {"tests", "test", "testing", "site-packages", "dist-packages", "externals", "vendored", "_vendor", "idlelib"}
    | {"lib2to3", "ensurepip", "array_api_compat", "array_api_extra", "_lib", "__pycache__", "benchmarks"}
)
_LARGEST_FILE_BYTES = 700_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file to read and the dotted module it stands for."""

    path: Path
    module: str


def package_files(package_paths: tuple[str, ...] = PACKAGE_PATHS) -> Iterator[SourceFile]:
    """Yield the Python and reStructuredText files of those packages that are installed, in a fixed order."""
    for package_path in package_paths:
        root = _installed_root(package_path.split("/", maxsplit=1)[0])
        if root is not None:
            yield from files_under(root.parent / package_path, base=root.parent)


def standard_library_files() -> Iterator[SourceFile]:
    """Yield the Python files of the standard library, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    for source in files_under(root, base=root):
        yield SourceFile(path=source.path, module=f"stdlib.{source.module}")


def files_under(path: Path, *, base: Path) -> Iterator[SourceFile]:
    """Yield the readable text files at or under `path`; module names are relative to `base`."""
    candidates = [path] if path.is_file() else sorted((*path.rglob("*.py"), *path.rglob("*.rst")))
    for candidate in candidates:
        relative = candidate.relative_to(base)
        if _SKIPPED_FOLDERS.isdisjoint(relative.parts) and candidate.stat().st_size <= _LARGEST_FILE_BYTES:
            yield SourceFile(path=candidate, module=".".join(relative.with_suffix("").parts))


def readmes(distributions: tuple[str, ...] = DISTRIBUTIONS) -> Iterator[tuple[str, str]]:
    """Yield (distribution name, long description) for those distributions that are installed."""
    for name in distributions:
        try:
            metadata_text = metadata.distribution(name).read_text("METADATA") or ""
        except metadata.PackageNotFoundError:
            continue
        message = email.message_from_string(metadata_text)
        yield name, str(message.get("Description") or message.get_payload())


def _installed_root(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None
