from __future__ import annotations

import pytest

from services.common.caller import ANYONE, Caller, Priority, accept
from services.common.errors import InvalidRequest


def test_without_headers_it_is_anyone() -> None:
    assert accept(None, None) is ANYONE


def test_what_is_sent_arrives() -> None:
    caller = Caller(client="team-a/search", priority=Priority.BULK)
    sent = dict(caller.metadata())

    assert accept(sent["x-isolane-client"], sent["x-isolane-priority"]) == caller


@pytest.mark.parametrize("client", ["a b", "ä", "x" * 129, "a\nb", '"'])
def test_an_id_that_could_do_harm_is_refused(client: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        accept(client, None)

    assert refused.value.param == "x-isolane-client"


@pytest.mark.parametrize("priority", ["urgent", "BULK", " bulk"])
def test_a_priority_that_is_none_is_refused(priority: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        accept(None, priority)

    assert refused.value.param == "x-isolane-priority"
