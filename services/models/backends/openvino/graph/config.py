"""JSON files of a model, and their entries with a check of type and range."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.models.backends.openvino.graph.problems import DamagedError


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        DamagedError: it cannot be read as JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, RecursionError, ValueError) as exc:
        raise DamagedError(f"{path.name}: {exc}") from exc


class Config:
    """A JSON object whose entries are checked as they are read; null counts as missing.

    Args:
        entries: of the file.
        name: of the file, for errors.
    """

    def __init__(self, entries: Mapping[str, Any], *, name: str) -> None:
        self._entries = entries
        self._name = name

    @classmethod
    def read(cls, path: Path) -> Config:
        """A file's object; empty when there is no such file.

        Raises:
            DamagedError: it holds something else.
        """
        entries = read_json(path) if path.is_file() else {}
        if not isinstance(entries, dict):
            raise DamagedError(f"{path.name} holds no JSON object")
        return cls(entries, name=path.name)

    @property
    def entries(self) -> Mapping[str, Any]:
        """All entries as they are."""
        return self._entries

    def get(self, key: str) -> Any:
        """An entry as it is; None when missing."""
        return self._entries.get(key)

    def whole(self, key: str, default: int, *, least: int = 1, most: int = 2**31) -> int:
        """An integer in a range."""
        value = self._value(key, default)
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(key, f"a whole number from {least} to {most}", value)
        return value

    def number(self, key: str, default: float) -> float:
        """A finite number above zero."""
        value = self._value(key, default)
        if type(value) not in {int, float} or not math.isfinite(value) or value <= 0:
            raise self._wrong(key, "a number above 0", value)
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._value(key, default)
        if type(value) is not bool:
            raise self._wrong(key, "true or false", value)
        return value

    def text(self, key: str, default: str) -> str:
        """A string."""
        value = self._value(key, default)
        if type(value) is not str:
            raise self._wrong(key, "a text", value)
        return value

    def part(self, key: str) -> Config:
        """An object inside this one; empty when missing."""
        value = self._value(key, {})
        if type(value) is not dict:
            raise self._wrong(key, "an object", value)
        return Config(value, name=f"{self._name}: {key}")

    def _value(self, key: str, default: Any) -> Any:
        value = self._entries.get(key)
        return default if value is None else value

    def _wrong(self, key: str, wanted: str, value: Any) -> DamagedError:
        return DamagedError(f"{self._name}: {key} is {str(value)[:100]!r}, not {wanted}")
