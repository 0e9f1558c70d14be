"""How long a file will take: learned for each format from the size of its files."""

from __future__ import annotations

from pathlib import PurePath

from services.documents.backends.base import Document
from services.documents.backends.formats import FORMATS
from services.scheduler.policy import Policy
from services.scheduler.speed import Speed, SpeedModel

_FIRST_GUESS = Speed(per_token=0.002, per_batch=0.02)
"""Before a file of a format was measured: 0.02 s and 2 ms for each KiB, as an office file takes."""


_FIRST_PAGE_S = 0.25
"""A page before any of a format was read: 0.1 to 0.3 s with text, ten times as long as a picture."""


class Estimates:
    """Times of files. Before a file is opened its format is told by the name's extension alone; it is learned by what
    the file turned out to be, so that Word files called `.csv` make no other CSV file look slow.

    Args:
        policy: how fast it forgets.
    """

    def __init__(self, policy: Policy) -> None:
        self._models = {name: SpeedModel(policy) for name in ("", *(format_.name for format_ in FORMATS))}
        """By format; one for all files whose extension says none."""
        self._pages = {format_.name: SpeedModel(policy) for format_ in FORMATS}
        self._names = {extension: format_.name for format_ in FORMATS for extension in format_.extensions}

    def seconds(self, document: Document) -> float:
        """Predicted time of a file with a worker."""
        speed = self._models[self.claimed(document)].speed
        return (speed if speed != Speed() else _FIRST_GUESS).seconds(tokens=_kib(document), items=1)

    def learn(self, document: Document, seconds: float, format_: str) -> None:
        """A file of a format took so long."""
        claimed = self.claimed(document)
        self._models[format_ if claimed else ""].observe(tokens=_kib(document), items=1, seconds=seconds)

    def page_seconds(self, format_: str) -> float:
        """Predicted time of a page with a worker."""
        speed = self._pages[format_].speed
        return _FIRST_PAGE_S if speed == Speed() else speed.seconds(tokens=1, items=1)

    def learn_page(self, format_: str, seconds: float) -> None:
        """A page of a file of a format took so long."""
        self._pages[format_].observe(tokens=1, items=1, seconds=seconds)

    def learn_at_least(self, document: Document, seconds: float) -> None:
        """A file was given up, or refused, after so long: nothing is learned unless that is more than was predicted."""
        if seconds > self.seconds(document):
            self.learn(document, seconds, self.claimed(document))

    def claimed(self, document: Document) -> str:
        """The format that the extension of its name stands for; empty for none."""
        extension = PurePath(document.filename).suffix.removeprefix(".").lower()
        return self._names.get(extension, "")


def _kib(document: Document) -> int:
    return -(-len(document.data) // 1024)
