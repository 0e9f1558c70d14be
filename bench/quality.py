"""Whether answers are right: vectors through a server's API, and how near they are to others."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.calls import post
from bench.serving import Served
from bench.shapes import MODEL, embed_body

Matrix = npt.NDArray[np.float32]


def embed(served: Served, texts: Sequence[str], *, size: int = 32) -> Matrix:
    """Vectors of texts, shape (texts, dimensions), asked for in requests of `size` texts."""
    rows = []
    for start in range(0, len(texts), size):
        reply = post(served.target("embed").url, embed_body(texts[start : start + size], MODEL))
        for item in sorted(reply["data"], key=lambda one: int(one["index"])):
            rows.append(np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4"))
    return np.stack(rows).astype(np.float32)


def losses(reference: Matrix, other: Matrix) -> dict[str, float]:
    """1 - cosine of the rows of two matrices: the mean and the worst."""
    lengths = np.linalg.norm(reference, axis=1) * np.linalg.norm(other, axis=1)
    values = np.einsum("ij,ij->i", reference.astype(np.float64), other.astype(np.float64)) / lengths
    return {"mean": 1 - float(values.mean()), "worst": 1 - float(values.min())}
