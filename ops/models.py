"""Models that are made on this machine, once, before a service can load them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from services.common.errors import StartupError

_TRAINER = "services.reranking.backends.development"


def ensure_reranker(environ: Mapping[str, str], cwd: Path) -> None:
    """Make the development reranker where it is missing: minutes, once; its progress goes to the terminal.

    Args:
        environ: of the reranking service; one that names another model needs none.
        cwd: working folder.

    Raises:
        StartupError: it could not be made.
    """
    if not _uses_development_model(environ):
        return
    command = [sys.executable, "-P", "-m", _TRAINER, "--quiet"]
    done = subprocess.run(command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        raise StartupError(f"the development reranker could not be made (exit status {done.returncode}; see above)")


def _uses_development_model(environ: Mapping[str, str]) -> bool:
    # A settings file is the service's to read: without its model the service says itself what to do.
    return (
        "ISOLANE_RERANKING_CONFIG" not in environ
        and environ.get("ISOLANE_RERANKING_BACKEND") != "fake"
        and '"development"' in environ.get("ISOLANE_RERANKING_MODELS", '"development"')
    )
