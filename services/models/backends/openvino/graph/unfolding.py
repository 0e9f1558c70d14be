"""A model whose weights are in a quantised ONNX file, as a folder that torch's libraries load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.numpy import save_file

from services.models.backends.openvino.graph.onnx_weights import read
from services.models.models import ONNX

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


@contextmanager
def torch_folder(folder: Path) -> Iterator[Path]:
    """The folder itself where it has weights for torch, else one with them for as long as the body runs.

    Raises:
        StartupError: the ONNX file is damaged, or not one that is read here.
        OSError: nothing can be written below the folder for temporary files.
    """
    if not (folder / ONNX).is_file() or any(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        yield folder
        return
    with TemporaryDirectory(prefix="isolane-") as scratch:
        yield unfold(folder, Path(scratch))


def unfold(folder: Path, target: Path) -> Path:
    """Write the weights as safetensors, with a config.json and the tokenizer's files; returns `target`.

    Args:
        folder: with the ONNX file.
        target: folder to write to; made where it is missing.
    """
    config, weights = read(folder / ONNX)
    target.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.suffix in {".json", ".txt"}:
            shutil.copy(path, target)
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target
