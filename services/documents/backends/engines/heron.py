"""Where the regions of a page are: Docling's own layout model, an RT-DETRv2, by torch
(https://arxiv.org/abs/2509.11720).

Its files say all that must be known of it: the size of the picture, the names of its classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForObjectDetection
from transformers.utils.logging import disable_progress_bar

from services.documents.backends.engines.base import Picture, Region, RegionKind

_KINDS: Mapping[str, RegionKind | None] = MappingProxyType(
    {
        "background": None,
        "caption": RegionKind.FIGURE_CAPTION,
        "footnote": RegionKind.FOOTNOTE,
        "formula": RegionKind.EQUATION,
        "list_item": RegionKind.LIST_ITEM,
        "page_footer": RegionKind.FOOTER,
        "page_header": RegionKind.HEADER,
        "picture": RegionKind.FIGURE,
        "section_header": RegionKind.TITLE,
        "table": RegionKind.TABLE,
        "text": RegionKind.TEXT,
        "title": RegionKind.TITLE,
        "document_index": RegionKind.INDEX,
        "code": RegionKind.CODE,
        "checkbox_selected": RegionKind.TICKED_BOX,
        "checkbox_unselected": RegionKind.EMPTY_BOX,
        # Around other regions, which say what is in them.
        "form": None,
        "key_value_region": None,
    }
)
"""What its classes are here; None for what is no region of its own."""
_LEAST_SCORE = 0.3
"""Of a region, as Docling has it; where overlaps are settled, 0.45 or 0.5 are asked for, by kind."""
_CONSTANTS = ("n_points_scale", "num_batches_tracked")
"""Ends of names of what is no weight: files of some versions of the library lack it."""
_BLANK = np.full((64, 64, 3), 255, np.uint8)


class Heron:
    """Finds the regions of pages. It is tried once when it is made, so that nothing is loaded later.

    Args:
        folder: the model's `config.json`, `preprocessor_config.json` and `model.safetensors`.
        threads: that compute one call; of the whole process.

    Raises:
        ValueError: the files are not of one model, or of one with other classes.
        Exception: whatever transformers says of damaged files.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        torch.set_num_threads(threads)
        disable_progress_bar()  # type: ignore[no-untyped-call]
        self._processor: Any = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            folder, local_files_only=True
        )
        self._model, loaded = AutoModelForObjectDetection.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        # By itself the library gives random weights to what the file lacks.
        if missing := sorted(name for name in loaded["missing_keys"] if not name.endswith(_CONSTANTS)):
            raise ValueError(f"model.safetensors lacks {len(missing)} weights, among them {missing[0]}")
        self._kinds = {label: _kind(name) for label, name in self._model.config.id2label.items()}
        self._model.eval()
        self.regions(_BLANK)

    def regions(self, page: Picture) -> list[Region]:
        """See `Engines.regions`. Costs 1.5 to 3 s on two cores."""
        height, width = page.shape[:2]
        inputs = self._processor(images=[Image.fromarray(page)], return_tensors="pt")
        with torch.inference_mode():
            outputs = self._model(**inputs)
            [found] = self._processor.post_process_object_detection(
                outputs, target_sizes=[(height, width)], threshold=_LEAST_SCORE
            )
        boxes = found["boxes"].numpy().clip(0, [width, height, width, height]).tolist()
        labels, scores = found["labels"].tolist(), found["scores"].tolist()
        return [
            Region(kind=kind, score=score, box=tuple(box))
            for label, score, box in zip(labels, scores, boxes, strict=True)
            if (kind := self._kinds[label]) is not None
        ]


def _kind(name: str) -> RegionKind | None:
    """What a class is; older files have `List-item` and `Key-Value Region`."""
    plain = name.lower().replace("-", "_").replace(" ", "_")
    if plain not in _KINDS:
        raise ValueError(f"config.json names the class {name!r}, which is none of Docling's")
    return _KINDS[plain]
