from __future__ import annotations

import io

from ops.progress import Progress
from services.common.testing.clock import FakeClock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def wait(progress: Progress, clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds * 4 + 1):
        progress.waiting("waiting for gpu")
        clock.advance(0.25)


def test_short_wait_is_silent() -> None:
    stream, clock = io.StringIO(), FakeClock()

    wait(Progress(stream, clock=clock), clock, 1)

    assert stream.getvalue() == ""


def test_long_wait_is_told_after_two_seconds_and_then_every_five() -> None:
    stream, clock = io.StringIO(), FakeClock()

    wait(Progress(stream, clock=clock), clock, 12)

    assert stream.getvalue().splitlines() == [f"waiting for gpu ({seconds} s)" for seconds in (2, 7, 12)]


def test_terminal_has_one_line_that_is_updated_and_cleared() -> None:
    stream, clock = Terminal(), FakeClock()
    progress = Progress(stream, clock=clock)

    wait(progress, clock, 3)
    progress.done()
    progress.say("ready")

    assert "\n" not in stream.getvalue().removesuffix("ready\n")
    assert stream.getvalue().endswith("\r\x1b[K" + "ready\n")
    assert "waiting for gpu (3 s)" in stream.getvalue()


def test_each_wait_begins_at_zero() -> None:
    stream, clock = io.StringIO(), FakeClock()
    progress = Progress(stream, clock=clock)
    wait(progress, clock, 3)

    waited_s = progress.done()
    wait(progress, clock, 3)

    assert waited_s == 3.25
    assert stream.getvalue().splitlines() == ["waiting for gpu (2 s)"] * 2
