from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind

from services.common.telemetry import request_id, tracing
from services.common.telemetry.logs import configure_logs, get_logger, reset_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging is the process's: what a test sets up is taken back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    reset_logs()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was written to standard error, one object a line."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def crash_and_log() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        get_logger().exception("call_crashed")
        raise


def test_a_line_is_one_object_with_its_event_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "info")

    get_logger().info("model_loaded", model="mini", tokens=3)

    [line] = lines(capsys)
    assert (
        line.items()
        >= {"event": "model_loaded", "service": "embedding", "level": "info", "model": "mini", "tokens": 3}.items()
    )
    assert line["timestamp"].endswith("Z")


def test_a_line_outside_a_request_has_no_ids(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "info")

    get_logger().info("listening")

    [line] = lines(capsys)
    assert not {"request_id", "trace_id"} & line.keys()


def test_a_line_within_a_request_has_its_ids(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "info")
    carrier = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

    token = request_id.current.set("abc-123")
    with tracing.span("work", SpanKind.SERVER, carrier):
        get_logger().info("rpc")
    request_id.current.reset(token)

    [line] = lines(capsys)
    assert line["request_id"] == "abc-123"
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "warning")

    get_logger().info("detail")
    get_logger().warning("trouble")

    assert [line["event"] for line in lines(capsys)] == ["trouble"]


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "info")

    with contextlib.suppress(ZeroDivisionError):
        crash_and_log()

    [line] = lines(capsys)
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["exception"]
    assert "test_logs.py" in line["exception"]


def test_foreign_libraries_write_the_same_lines_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "debug")

    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("disk %s is full", "/var")

    [line] = lines(capsys)
    assert (
        line.items()
        >= {"event": "disk /var is full", "service": "embedding", "level": "warning", "logger": "some.library"}.items()
    )


@pytest.mark.filterwarnings("always")
def test_warnings_of_libraries_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "info")

    warnings.warn("skipping a picture", UserWarning, stacklevel=1)

    (line,) = lines(capsys)
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "skipping a picture" in line["event"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec=None)))
def test_hostile_text_stays_within_its_field(capsys: pytest.CaptureFixture[str], hostile: str) -> None:
    configure_logs("embedding", "info")

    get_logger().info("rpc", error=hostile)

    captured = capsys.readouterr().err
    assert captured.isascii()
    assert captured.index("\n") == len(captured) - 1
    assert json.loads(captured)["error"] == hostile


def test_a_line_of_foreign_letters_tells_the_same_as_another(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "info")

    get_logger().info("rpc", error="plain", odd=ValueError("x"))
    get_logger().info("rpc", error="ö\x9b", odd=ValueError("x"))

    plain, foreign = lines(capsys)
    assert foreign["error"] == "ö\x9b"
    assert {name: type(value) for name, value in foreign.items()} == {
        name: type(value) for name, value in plain.items()
    }
    assert foreign["odd"] == plain["odd"]
    assert foreign["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "forged", ['x\n{"event": "forged"}', "x\r\nforged", "x\u2028forged", "x\x1b[2Jforged", '"}\n{']
)
def test_a_second_line_cannot_be_forged(capsys: pytest.CaptureFixture[str], forged: str) -> None:
    configure_logs("embedding", "info")

    get_logger().info("rpc", error=forged)
    logging.getLogger("some.library").error(forged)

    err = capsys.readouterr().err
    assert err.count("\n") == 2
    assert "\x1b" not in err
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["rpc", forged]


def test_a_value_that_json_does_not_know_is_written_as_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("embedding", "info")

    get_logger().info("listening", address=ValueError("odd"))

    assert lines(capsys)[0]["address"] == "odd"


@pytest.mark.parametrize("good", ["a", "A-Z_0.9", "x" * 128])
def test_a_harmless_request_id_is_kept(good: str) -> None:
    assert request_id.accept(good) == good


@pytest.mark.parametrize("bad", [None, "", "x" * 129, "a b", "a\nb", "ü", 'a"', "a\n"])
def test_any_other_request_id_is_replaced(bad: str | None) -> None:
    made = request_id.accept(bad)

    assert made != bad
    assert request_id.accept(made) == made
    assert request_id.accept(bad) != made
