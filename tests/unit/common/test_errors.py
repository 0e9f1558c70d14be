"""The error tree is complete: every class has its code, its gRPC status and its place in the picture."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from services.common import errors
from services.common.errors import (
    GRPC_STATUS,
    ConfigInvalid,
    InvalidRequest,
    RequestError,
    StartupError,
    TooLarge,
    error_class,
    request_errors,
)

CLASSES = [cls for cls in request_errors() if cls.__module__ == errors.__name__]


def test_the_table_of_statuses_holds_exactly_the_tree() -> None:
    assert set(GRPC_STATUS) == set(CLASSES)


def test_every_code_is_one_class_own() -> None:
    own = {cls: cls.__dict__.get("code") for cls in CLASSES}

    assert None not in own.values()
    assert max(Counter(own.values()).values()) == 1


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_is_drawn_below_its_parent(cls: type[RequestError]) -> None:
    parents = drawn_parents()

    assert parents.get(cls.__name__) == cls.__bases__[0].__name__


def drawn_parents() -> dict[str, str]:
    """The picture in the module's docstring as child -> parent."""
    stack: list[tuple[int, str]] = []
    parents: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if not (match := re.match(r"^    ([│├└─ ]*)([A-Z]\w+)", line)):
            continue
        depth, name = len(match[1]), match[2]
        while stack and stack[-1][0] >= depth:
            stack.pop()
        if stack:
            parents[name] = stack[-1][1]
        stack.append((depth, name))
    return parents


def test_parents_come_before_their_children() -> None:
    order = list(request_errors())

    assert order.index(InvalidRequest) < order.index(TooLarge)


def test_a_code_finds_its_class_and_a_foreign_one_none() -> None:
    assert error_class("too_large") is TooLarge
    assert error_class("of_a_newer_server") is None


def test_wrong_settings_list_every_problem() -> None:
    error = ConfigInvalid("embedding", ["port: too high", "device: not known"])

    assert isinstance(error, StartupError)
    assert error.problems == ("port: too high", "device: not known")
    assert all(problem in str(error) for problem in error.problems)
