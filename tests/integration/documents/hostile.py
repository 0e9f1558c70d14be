"""Files that are made to harm: each is to be refused clearly, or answered rightly, in time and in bounded memory.

Sizes are such that linear work takes a second or a few, and quadratic work minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from tests.integration.documents import hostile_office as office
from tests.integration.documents import hostile_packages as packages
from tests.integration.documents import hostile_texts as texts
from tests.integration.documents.bait import Hostile

_GROUPS = (
    packages.zips,
    packages.entities,
    office.deep,
    office.wide,
    office.sheets,
    office.circular,
    office.pictures,
    office.references,
    texts.lies,
    texts.deep,
    texts.wide,
    texts.definitions,
    texts.matches,
    texts.pictures,
    texts.references,
)


def cases() -> Iterator[Hostile]:
    """All of them."""
    return chain.from_iterable(group() for group in _GROUPS)
