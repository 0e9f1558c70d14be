"""Files that are made to harm: each is to be refused clearly, or answered rightly, in time and in bounded memory.

Sizes are such that linear work takes a second or a few, and quadratic work minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.documents import hostile_office as office
from tests.integration.documents import hostile_packages as packages
from tests.integration.documents import hostile_texts as texts

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


_SMOKED = 2
"""Files of each group that every run of the tests sends; the others are for `just drills`."""


def cases() -> Iterator[Any]:
    """All of them, as parameters of a test."""
    for group in _GROUPS:
        for number, case in enumerate(group()):
            marks = [pytest.mark.drill] if number >= _SMOKED else []
            yield pytest.param(case, marks=marks, id=ascii(case.name)[1:-1])
