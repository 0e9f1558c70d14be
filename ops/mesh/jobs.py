"""The jobs of a mesh: which there are, and their values on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ops.settings import OpsSettings

PARTS = ("gpu", "embedding", "reranking", "documents", "gateway")
"""Jobs in the order in which they are registered."""


_WITH_MODELS = ("embedding", "reranking")


def jobspec(root: Path, part: str) -> Path:
    """The file of a part's job."""
    return root / "nomad" / "jobs" / f"{part}.nomad.hcl"


def variables(root: Path) -> Path:
    """The values that all jobs of a dev mesh share."""
    return root / "nomad" / "vars" / "dev.hcl"


def values(part: str, settings: OpsSettings) -> Mapping[str, str | int | bool]:
    """What the command's settings say of a part."""
    if part == "gateway":
        return {"port": settings.mesh_gateway_port}
    # One machine, so one processor: its instances do not differ, as those of a fleet may.
    own = {"dtype": "auto"} if part in _WITH_MODELS else {}
    return {**own, "backend": "fake"} if settings.backend == "fake" else own
