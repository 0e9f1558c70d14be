"""What a file may be called."""

from __future__ import annotations

import pytest

from services.common.filenames import is_filename


@pytest.mark.parametrize(
    "name", ["a", "Über 报告.md", "a\u202fb", "a\xa0b", "می\u200cروم.md", "\U0001f468\u200d\U0001f469.md"]
)
def test_any_character_that_is_none_of_control_may_be_in_a_name(name: str) -> None:
    assert is_filename(name)


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a\0", "a\nb", "a\x7f", "a\ud800", "x" * 256, "ü" * 128])
def test_paths_controls_and_what_is_too_long_are_no_names(name: str) -> None:
    assert not is_filename(name)
