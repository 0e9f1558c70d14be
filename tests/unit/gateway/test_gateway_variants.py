"""Which variants of a model answered lately."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from isolane.common.v1 import model_pb2
from prometheus_client import REGISTRY

from gateway.clients.variants import LATELY_S, Variant, Variants
from services.common.testing.clock import FakeClock
from services.common.testing.logs import CapturedLogs, captured_logs

SERVICE = "tryout"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def variants(clock: FakeClock) -> Variants:
    return Variants(SERVICE, clock=clock)


@pytest.fixture
def logs() -> Iterator[CapturedLogs]:
    with captured_logs() as captured:
        yield captured


def model(dtype: str = "float32", **fields: Any) -> model_pb2.Model:
    return model_pb2.Model(**{"id": "mini", "revision": "a1", "backend": "openvino", "dtype": dtype, **fields})


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value("isolane_gateway_model_variants", {"service": SERVICE, "model": name})


def test_instances_of_one_kind_do_not_differ(variants: Variants) -> None:
    variants.note(model(), model(id="other", dtype="bfloat16"))
    variants.note(model())

    assert variants.differences() == ()
    assert (gauge("mini"), gauge("other")) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (model(revision="b2"), "its instances differ in revision (a1, b2): let the update end, or give"),
        (model("bfloat16"), "its instances differ in dtype (bfloat16, float32): name its `dtype` in the `models`"),
        (model("int8", revision="b2"), "its instances differ in revision (a1, b2): let the update end, or give all"),
    ],
    ids=["revision", "dtype", "both"],
)
def test_a_difference_says_in_what_and_what_to_do(variants: Variants, other: model_pb2.Model, said: str) -> None:
    variants.note(model(), other)

    (difference,) = variants.differences()
    assert difference.model == "mini"
    assert difference.reason.startswith(said)
    assert ("dtype (float32, int8)" in difference.reason) == (other.dtype == "int8")
    assert gauge("mini") == 2.0


@pytest.mark.parametrize(("dtype", "count"), [("float32", 0), ("bfloat16", 1)])
def test_backends_differ_in_the_types_in_which_each_rounds_where_it_likes(
    variants: Variants, dtype: str, count: int
) -> None:
    variants.note(model(dtype), model(dtype, backend="torch", device="cuda:0"))

    assert len(variants.differences()) == count
    assert all("backend (openvino, torch)" in difference.reason for difference in variants.differences())


def test_the_device_alone_is_no_difference(variants: Variants) -> None:
    variants.note(model("bfloat16", backend="torch", device="cuda:0"))
    variants.note(model("bfloat16", backend="torch", device="cuda:1"))

    assert variants.differences() == ()


def test_a_difference_tells_how_long_each_variant_is_silent(variants: Variants, clock: FakeClock) -> None:
    variants.note(model())
    clock.advance(30)
    variants.note(model("bfloat16"))
    clock.advance(1)

    (difference,) = variants.differences()
    assert difference.silent_s == {
        Variant(revision="a1", dtype="float32", backend=""): 31,
        Variant(revision="a1", dtype="bfloat16", backend="openvino"): 1,
    }


def test_a_difference_ends_when_only_one_variant_answered_for_ten_minutes(variants: Variants, clock: FakeClock) -> None:
    variants.note(model("bfloat16"))
    clock.advance(1)
    variants.note(model())
    clock.advance(LATELY_S - 1.5)
    variants.note(model())
    before = (len(variants.differences()), gauge("mini"))
    clock.advance(1)

    assert before == (1, 2.0)
    assert gauge("mini") == 1.0
    assert variants.differences() == ()


def test_the_log_says_once_that_a_difference_begins_and_once_that_it_ends(
    variants: Variants, clock: FakeClock, logs: CapturedLogs
) -> None:
    for _ in range(3):
        variants.note(model())
        variants.note(model("bfloat16"))
    clock.advance(LATELY_S)
    for _ in range(3):
        variants.note(model())

    begun, ended = logs.lines()
    assert (begun["event"], begun["level"], begun["upstream"], begun["model"]) == (
        "model_differs",
        "warning",
        SERVICE,
        "mini",
    )
    assert "dtype (bfloat16, float32)" in begun["reason"]
    assert (ended["event"], ended["level"], ended["upstream"]) == ("model_differs_no_longer", "info", SERVICE)


def test_a_model_that_nobody_asks_for_any_more_does_not_differ(
    variants: Variants, clock: FakeClock, logs: CapturedLogs
) -> None:
    variants.note(model(), model("bfloat16"))
    clock.advance(LATELY_S)

    assert variants.differences() == ()
    assert gauge("mini") == 0.0
    assert len(logs.lines("model_differs_no_longer")) == 1


def test_beyond_64_models_the_one_that_was_silent_longest_is_forgotten_with_its_label(
    variants: Variants, clock: FakeClock
) -> None:
    for number in range(65):
        clock.advance(1)
        variants.note(model(id=f"m{number}"), model(id="m0"))

    assert [gauge(f"m{number}") for number in (0, 1, 2, 64)] == [1.0, None, 1.0, 1.0]


def test_beyond_8_variants_the_one_that_was_silent_longest_is_forgotten(variants: Variants, clock: FakeClock) -> None:
    for number in range(10):
        clock.advance(1)
        variants.note(model(revision=f"r{number}"))

    (difference,) = variants.differences()
    assert {variant.revision for variant in difference.silent_s} == {f"r{number}" for number in range(2, 10)}
    assert gauge("mini") == 8.0
