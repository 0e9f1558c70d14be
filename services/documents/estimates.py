"""How long a file will take: learned for each format from the size of its files."""

from __future__ import annotations

from pathlib import PurePath

from services.documents.backends.base import Document
from services.documents.backends.formats import FORMATS
from services.scheduler.policy import Policy
from services.scheduler.speed import Speed, SpeedModel

_FIRST_GUESS = Speed(per_token=0.002, per_batch=0.02)
"""Before a file of a format was measured: 0.02 s and 2 ms for each KiB, as an office file takes."""


class Estimates:
    """Times of files. A format is told by the name's extension alone, for the content is not looked at here.

    Args:
        policy: how fast it forgets.
    """

    def __init__(self, policy: Policy) -> None:
        self._models = {format_.name: SpeedModel(policy) for format_ in FORMATS}
        self._names = {extension: format_.name for format_ in FORMATS for extension in format_.extensions}

    def seconds(self, document: Document) -> float:
        """Predicted time of a file with a worker."""
        model = self._model(document)
        speed = model.speed if model and model.speed != Speed() else _FIRST_GUESS
        return speed.seconds(tokens=_kib(document), items=1)

    def learn(self, document: Document, seconds: float) -> None:
        """A file took so long."""
        if (model := self._model(document)) is not None:
            model.observe(tokens=_kib(document), items=1, seconds=seconds)

    def _model(self, document: Document) -> SpeedModel | None:
        extension = PurePath(document.filename).suffix.removeprefix(".").lower()
        return self._models.get(self._names.get(extension, ""))


def _kib(document: Document) -> int:
    return -(-len(document.data) // 1024)
