"""The page says where each format keeps what, as it is measured."""

from __future__ import annotations

import pytest

from tools import formats


@pytest.mark.filterwarnings("ignore")  # of Docling, about samples
def test_tables_of_formats_are_those_that_are_measured() -> None:
    have = formats.PAGE.read_text(encoding="utf-8")

    assert formats.page(have) == have, "run `just docs`"
