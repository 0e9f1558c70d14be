"""Mining pairs from source text, without a model."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from bench.held_out import docstrings, pairs, sources

MODULE = '''
"""Tools for boats."""

raise RuntimeError("mining must never import what it reads")


class SailPlan:
    """Describe the sails of a boat and the wind they are made for.

    A plan lists every sail with its area, and says in which wind it should be taken down.

    Parameters
    ----------
    reef_count : int
        How many times the main sail may be made smaller before it has to come down completely.

    References
    ----------
    A book about boats that is not prose and must not be learned from at all.
    """

    def __init__(self, colour):
        """Make a plan.

        Args:
            colour (str): The colour of the cloth that the sailmaker uses for every sail in the plan.
        """


def steer_home(course):
    """Steer the boat back to the harbour that it came from.

    The shortest way is not always possible: the boat tacks when the wind comes from ahead.

    >>> steer_home(12)
    """
'''


@pytest.fixture
def boats(tmp_path: Path) -> Path:
    package = tmp_path / "boats"
    (package / "tests").mkdir(parents=True)
    (package / "sails.py").write_text(MODULE, encoding="utf-8")
    (package / "broken.py").write_text("def (", encoding="utf-8")
    (package / "tests" / "test_sails.py").write_text(MODULE, encoding="utf-8")
    return tmp_path


def mined(root: Path) -> list[pairs.TextPair]:
    files = sources.files_under(root / "boats", base=root)
    return [pair for source in files for pair in pairs.pairs_of_file(source)]


def test_summary_is_paired_with_the_description_below_it(boats: Path) -> None:
    found = {pair.query: pair.passage for pair in mined(boats)}

    assert found["Steer the boat back to the harbour that it came from"].startswith("The shortest way is not always")


def test_parameter_is_paired_with_its_text_and_named_after_its_class(boats: Path) -> None:
    found = {pair.query: pair.passage for pair in mined(boats)}

    assert found["reef count of sail plan"].startswith("How many times the main sail")
    assert found["colour of sail plan"].startswith("The colour of the cloth")


def test_references_and_code_are_left_out(boats: Path) -> None:
    text = " ".join(pair.passage for pair in mined(boats))

    assert "must not be learned" not in text
    assert ">>>" not in text


def test_test_folders_and_broken_files_are_passed_over(boats: Path) -> None:
    modules = [source.module for source in sources.files_under(boats / "boats", base=boats)]

    assert modules == ["boats.broken", "boats.sails"]
    assert {pair.group for pair in mined(boats)} == {"boats.sails"}


def test_mining_twice_gives_the_same_pairs_in_the_same_order(boats: Path) -> None:
    assert mined(boats) == mined(boats)


def test_docstrings_added_by_a_call_are_found() -> None:
    source = 'add_newdoc("numpy", "ravel", """\nravel(a)\n\nReturn a flat array.\n""")\n'

    (found,) = docstrings.documented_objects(source)

    assert found == docstrings.Documented(name="ravel", text="Return a flat array.")


def test_markup_is_removed() -> None:
    assert docstrings.plain("See :func:`~a.b.sort` and ``x``; `docs <https://x.org>`_ say\n   more.") == (
        "See sort and x ; docs say more."
    )


def test_readme_heading_is_paired_with_its_first_paragraph() -> None:
    text = textwrap.dedent("""\
        Sea trials
        ----------
        A new boat is sailed for a week before it is handed over to its owner.
        """)

    (found,) = pairs.pairs_of_document(text, group="readme.boats")

    assert found.query == "boats: Sea trials"


def test_missing_packages_give_no_files() -> None:
    assert list(sources.package_files(("no_such_package_at_all",))) == []
    assert list(sources.readmes(("no-such-distribution-at-all",))) == []


def test_pairs_with_a_text_that_was_seen_are_left_out() -> None:
    first = pairs.TextPair(query="how to steer home", passage="Turn the wheel.", group="boats.a")
    same_passage = pairs.TextPair(query="another way to ask", passage="turn the wheel", group="boats.b")
    other = pairs.TextPair(query="how to sail away", passage="Hoist the sail.", group="boats.b")

    assert pairs.without_repeats([first, same_passage, other]) == [first, other]


def test_a_group_is_held_out_by_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [f"package.{number}" for number in range(1000)]
    mined = [pairs.TextPair(query=group, passage=group, group=group) for group in groups]
    monkeypatch.setattr(pairs, "mine_pairs", lambda: mined)

    held_out = [pair.group for pair in pairs.held_out_pairs()]

    assert held_out == [group for group in groups if pairs.is_held_out(group)]
    assert 50 < len(held_out) < 110


def test_modules_of_one_part_of_a_package_are_one_group() -> None:
    assert pairs.group_of("scipy.signal._peak_finding") == "scipy.signal"
    assert pairs.group_of("scipy.signal") == "scipy.signal"
    assert pairs.group_of("stdlib._pydecimal") == "stdlib.pydecimal"
