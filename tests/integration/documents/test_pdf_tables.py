"""Tables of made pages, with the real models."""

from __future__ import annotations

import pytest

from bench.tables import Case, made_case, measure
from bench.typesetting.tables import made_tables
from services.documents.backends.engines.local import LocalEngines

pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # of the wheels' code


@pytest.fixture(scope="module")
def engines() -> LocalEngines:
    return LocalEngines(threads=1)


def _case(name: str) -> Case:
    return next(made_case(made) for made in made_tables(only=name) if made.name == name)


@pytest.mark.parametrize(
    "name",
    ["grid-two-heads", "grid-turned", "book-two-heads", "rows-groups", "stripes-wrapped", "none-sparse", "scan-book"],
)
def test_cells_of_a_made_table_are_all_found(name: str, engines: LocalEngines) -> None:
    score = measure(_case(name), engines, is_placed=True)

    assert score.f1 == 1.0, score.differs


def test_a_table_on_a_page_is_found_and_read(engines: LocalEngines) -> None:
    score = measure(_case("grid"), engines)

    assert score.f1 == 1.0, score.differs
