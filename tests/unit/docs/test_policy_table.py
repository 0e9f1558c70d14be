"""The page of batching names every number of the scheduler."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from services.scheduler.policy import Policy

PAGE = Path(__file__).resolve().parents[3] / "docs/batching.md"


def rows() -> list[list[str]]:
    section = PAGE.read_text(encoding="utf-8").partition("## Every number")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]


def test_the_table_of_numbers_has_every_field_of_the_policy_in_order_and_no_other() -> None:
    named = [name.strip("`") for name, *_ in rows()]

    assert named == [field.name for field in dataclasses.fields(Policy)]


def test_the_table_has_the_values_of_the_policy() -> None:
    values = [dataclasses.asdict(Policy())[name.strip("`")] for name, *_ in rows()]

    assert [seconds_or_number(value) for _, value, *_ in rows()] == pytest.approx(values)


def seconds_or_number(text: str) -> float:
    number, _, unit = text.partition(" ")
    return float(number) / (1000 if unit == "ms" else 1)
