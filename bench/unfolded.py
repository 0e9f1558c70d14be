"""A packaged quantised model as peers load it: its float weights as safetensors, with a config.json."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.numpy import save_file

from services.common.devices.graph.onnx_weights import read
from services.common.models import ONNX, locate


def unfold(target: Path, source: str) -> Path:
    """Write a model whose weights are in a quantised ONNX file as a folder that sentence-transformers loads.

    Args:
        target: folder to write to; made where it is missing.
        source: as in the settings.
    """
    folder = locate(source)
    config, weights = read(folder / ONNX)
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.suffix in {".json", ".txt"}:
            shutil.copy(path, target)
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target
