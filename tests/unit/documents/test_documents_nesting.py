from __future__ import annotations

import pytest

from services.documents.backends.nesting import MOST_LEVELS, is_too_deep


@pytest.mark.parametrize("levels", [1, MOST_LEVELS])
def test_html_up_to_the_limit_is_not_too_deep(levels: int) -> None:
    assert not is_too_deep("<div>" * levels + "x" + "</div>" * levels)


def test_html_beyond_the_limit_is_too_deep() -> None:
    assert is_too_deep("<div>" * (MOST_LEVELS + 1) + "x")


@pytest.mark.parametrize("row", ["<p>x ", "<li>x ", "<br>", "<img src=a>", "<b>x</b>", "<i/>", "<tr><td>x"])
def test_many_elements_side_by_side_are_not_deep(row: str) -> None:
    assert not is_too_deep(row * (10 * MOST_LEVELS))


def test_tags_within_scripts_and_comments_do_not_count() -> None:
    tags = "<div>" * (2 * MOST_LEVELS)

    assert not is_too_deep(f"<script>let a = '{tags}'</script><!-- {tags} --><p>x")


def test_stray_end_tags_do_not_hide_depth() -> None:
    assert is_too_deep("</div>" * (2 * MOST_LEVELS) + "<div>" * (MOST_LEVELS + 1))
