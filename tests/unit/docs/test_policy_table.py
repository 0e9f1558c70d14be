"""The page of batching names every number of the scheduler."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from services.models.scheduler.policy import Policy

PAGE = Path(__file__).resolve().parents[3] / "docs/batching.md"


def test_the_table_of_numbers_has_every_field_of_the_policy_and_no_other() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Every number")[2].partition("\n## ")[0]
    first_cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    named = [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)]

    assert sorted(named) == sorted(field.name for field in dataclasses.fields(Policy))
