"""A conversion as a stream of lines, of which a client may read none."""

from __future__ import annotations

import asyncio

import pytest

from gateway.clients.documents import PageDone, Progress
from gateway.routes.page_stream import PageStream
from gateway.schemas.convert import ConvertResponse
from services.common import call
from services.common.deadline import Deadline


@pytest.mark.parametrize("is_begun", [True, False])
async def test_whoever_leaves_ends_the_work_also_before_the_first_line(is_begun: bool) -> None:
    ended = asyncio.Event()

    async def convert(progress: Progress) -> ConvertResponse:
        progress(PageDone(number=1, done=1, total=2, text="", errors=()))
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        raise AssertionError

    noted = call.begin(Deadline.after(60))
    stream = PageStream(convert)
    await stream.begun()
    lines = stream.lines()
    if is_begun:
        await anext(lines)
    await lines.aclose()
    del lines

    await asyncio.wait_for(ended.wait(), 2)
    assert noted == ({"code": "cancelled"} if is_begun else {})
