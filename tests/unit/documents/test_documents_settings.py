"""Limits that need each other."""

from __future__ import annotations

from typing import Any

import pytest

from services.documents.settings import DocumentsSettings

MIB = 2**20


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"max_file_bytes": 64 * MIB}, "max_file_bytes: 67108864 and 262144 for the rest of a message are more than"),
        ({"worker_memory_bytes": 128 * MIB}, "worker_memory_bytes: 134217728 is less than four times max_file_bytes"),
    ],
)
def test_files_that_fit_into_no_message_or_no_worker_are_refused_at_the_start(settings: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        DocumentsSettings(**settings)


def test_large_files_may_come_in_large_messages() -> None:
    settings = DocumentsSettings(max_file_bytes=100 * MIB, max_message_bytes=101 * MIB)

    assert settings.max_file_bytes == 100 * MIB
