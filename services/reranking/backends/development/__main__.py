"""Make the development reranker, once: `python -m services.reranking.backends.development`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from services.common.config import models_dir
from services.common.errors import StartupError
from services.reranking.backends.development import location
from services.reranking.backends.development.progress import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; 1 after a problem, which is written to standard error."""
    options = _parser().parse_args(arguments)
    try:
        folder = options.output or location.model_folder(models_dir(), seed=options.seed)
        if location.is_complete(folder) and not options.force:
            if not options.quiet:
                _say(f"{location.NAME}: already made, in {folder}; --force makes it again")
            return 0
        _make(folder, seed=options.seed)
    except StartupError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"{location.NAME}: interrupted; nothing was kept\n")
        return 130
    return 0


def _make(folder: Path, *, seed: int) -> None:
    location.base_version()
    # Nothing here needs the network, and a library that tries would wait for it.
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Spinning while waiting for another thread takes the processor from that thread where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with Progress() as progress:
        progress.step("loading torch")
        # Imported only now: a model that is already there is found without torch.
        making = importlib.import_module("services.reranking.backends.development.making")
        result = making.make_reranker(folder, seed=seed, progress=progress)
    _say(f"{location.NAME}: made in {progress.elapsed_s:.0f} s, in {folder}; for development only")
    _say(f"{result.queries} held-out queries, 20 candidates each, 7 of them the bi-encoder's nearest:")
    _say(f"  random order       {result.random_order}")
    _say(f"  MiniLM bi-encoder  {result.bi_encoder}")
    _say(f"  {location.NAME} {result.cross_encoder}")
    _say(result.verdict)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.reranking.backends.development", description=__doc__)
    parser.add_argument("--output", type=Path, help="folder of the model; default below ISOLANE_MODELS_DIR")
    parser.add_argument("--force", action="store_true", help="make it again, also when it is there")
    parser.add_argument("--quiet", action="store_true", help="say nothing when it is there")
    parser.add_argument("--seed", type=int, default=location.DEFAULT_SEED, help="of the random choices")
    return parser


if __name__ == "__main__":
    sys.exit(main())
