"""Bodies and options: what is taken, what is refused, and how."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from isolane.common.v1 import item_pb2

from gateway.clients.items import Outcomes, Timings, read_items
from gateway.routes.headers import ranges, result_headers
from gateway.routes.json_body import decode
from gateway.schemas.convert import Paging, convert_options
from gateway.schemas.openai import EmbeddingsRequest
from gateway.schemas.rerank import RerankRequest
from services.common.errors import BackendFailed, InvalidRequest, TooLarge
from services.documents.backends.formats import FORMATS


def embeddings(**fields: Any) -> EmbeddingsRequest:
    return decode(msgspec.json.encode({"model": "m", "input": "a", **fields}), EmbeddingsRequest)


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("text", ["text"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        (["a"] * 2048, ["a"] * 2048),
        ([5] * 3000, [[5] * 3000]),
    ],
)
def test_every_kind_of_input_becomes_a_list_of_inputs(given: Any, inputs: Any) -> None:
    assert embeddings(input=given).inputs() == inputs


@pytest.mark.parametrize(
    ("given", "error"), [([], InvalidRequest), (["a", [1]], InvalidRequest), ([["a"]], InvalidRequest)]
)
def test_input_that_fits_no_kind_is_refused(given: Any, error: type[InvalidRequest]) -> None:
    with pytest.raises(error) as refused:
        embeddings(input=given).inputs()

    assert str(refused.value.param).startswith("input")


def test_too_many_inputs_are_too_large() -> None:
    with pytest.raises(TooLarge, match="2049"):
        embeddings(input=["a"] * 2049).inputs()


def test_missing_field_is_the_param() -> None:
    with pytest.raises(InvalidRequest, match="query: required") as refused:
        decode(b'{"documents": ["a"]}', RerankRequest)

    assert refused.value.param == "query"


def test_missing_field_deep_inside_is_named_with_its_place() -> None:
    with pytest.raises(InvalidRequest, match=r"^documents\[1\]\.text: required; add it$") as refused:
        decode(b'{"query": "a", "documents": ["a", {"title": "x"}]}', RerankRequest)

    assert refused.value.param == "documents[1].text"


def test_value_outside_the_choices_is_answered_with_the_choices() -> None:
    with pytest.raises(InvalidRequest, match="'int8'; use float or base64") as refused:
        embeddings(encoding_format="int8")

    assert refused.value.param == "encoding_format"


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("input_type", "query or document"),
        ("output_dtype", "float32 or float16 or int8 or binary"),
        ("item_errors", "fail or report"),
    ],
)
def test_extensions_take_their_choices_or_null_and_nothing_else(name: str, choices: str) -> None:
    accepted = [getattr(embeddings(**{name: value}), name) for value in (*choices.split(" or "), None)]
    with pytest.raises(InvalidRequest, match=f"use {choices}"):
        embeddings(**{name: "passage"})

    assert accepted == [*choices.split(" or "), None]


@pytest.mark.parametrize(
    "text", [r"\ud800", r"\uDFFF", r"\udc00\ud800", r"\ud800 and more text", r"\ud800\n", r"\ud800\u0041"]
)
def test_lone_surrogate_is_called_so_wherever_it_is(text: str) -> None:
    with pytest.raises(InvalidRequest, match="lone surrogate"):
        decode(b'{"model": "m", "input": "%s"}' % text.encode(), EmbeddingsRequest)


@pytest.mark.parametrize(
    "body", [b'{"model": "m", "input": "a', rb'{"model": "m", "input": "\u00e9', rb'{"input": "\ud83d\ude00']
)
def test_body_that_was_cut_off_is_not_called_a_surrogate(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not JSON: Input data was truncated"):
        decode(body, EmbeddingsRequest)


def test_field_deep_inside_is_the_param() -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode(b'{"query": "a", "documents": ["a", {"text": 5}]}', RerankRequest)

    assert refused.value.param == "documents[1].text"


def test_options_default_to_markdown_and_nothing_else() -> None:
    options = convert_options({})

    assert options.to_formats == ("markdown",)
    assert options.from_formats == frozenset()
    assert options.document_timeout_s is None


def test_options_that_have_an_effect_are_read() -> None:
    options = convert_options(
        {"to_formats": ["json", "md", "json"], "from_formats": ["docx", "HTML"], "document_timeout": ["2.5"]}
    )

    assert options.to_formats == ("json", "markdown")
    assert options.from_formats == {"docx", "html"}
    assert options.document_timeout_s == 2.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("to_formats", "doctags"),
        ("from_formats", "foo"),
        ("do_picture_description", "1"),
        ("do_chart_extraction", "true"),
        ("md_compact_tables", "true"),
        ("target_type", "zip"),
        ("image_export_mode", "referenced"),
        ("page_range", "2"),
        ("page_range", "0-5"),
        ("page_range", "5-2"),
        ("page_range", "1,2,3"),
        ("page_range", "one-two"),
        ("do_ocr", "perhaps"),
        ("force_ocr", "2"),
        ("document_timeout", "inf"),
        ("document_timeout", "0"),
        ("document_timeout", "soon"),
        ("unheard_of", "x"),
    ],
)
def test_option_that_is_not_supported_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=name) as refused:
        convert_options({name: [value]})

    assert refused.value.param == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("md_page_break_placeholder", "\f"),
        ("md_page_break_placeholder", "---"),
        ("do_formula_enrichment", "true"),
        ("include_page_images", "true"),
        ("pipeline", "vlm"),
        ("layout_preset", "fast"),
        ("picture_description_preset", "smolvlm"),
    ],
)
def test_what_cannot_change_the_answer_is_taken(name: str, value: str) -> None:
    assert convert_options({name: [value]}) == convert_options({})


def test_formats_of_docling_that_are_not_parsed_may_be_allowed() -> None:
    options = convert_options({"from_formats": ["pdf", "image", "docx", ""]})

    assert options.from_formats == {"pdf", "image", "docx"}


def test_all_that_is_parsed_is_a_known_format() -> None:
    names = [format_.name for format_ in FORMATS]

    assert convert_options({"from_formats": names}).from_formats == set(names)


@pytest.mark.parametrize("values", [["2", "5"], ["2,5"], ["2-5"], ["[2, 5]"]])
def test_a_range_of_pages_is_two_numbers_in_any_of_the_usual_ways(values: list[str]) -> None:
    paging = convert_options({"page_range": values}).paging

    assert (paging.first, paging.last) == (2, 5)


@pytest.mark.parametrize("last", ["9223372036854775807", "2147483647"])
def test_the_largest_number_of_a_client_is_the_last_page(last: str) -> None:
    assert convert_options({"page_range": ["3", last]}).paging == Paging(first=3)


def test_what_is_said_of_ocr_is_passed_on() -> None:
    paging = convert_options({"do_ocr": ["false"], "ocr_lang": ["de, en", "fr"]}).paging

    assert (paging.do_ocr, paging.force_ocr, paging.ocr_languages) == (False, False, ("de", "en", "fr"))


def test_ocr_that_is_forced_is_done() -> None:
    paging = convert_options({"do_ocr": ["false"], "force_ocr": ["on"]}).paging

    assert (paging.do_ocr, paging.force_ocr) == (True, True)


@pytest.mark.parametrize(
    ("positions", "text"),
    [([0], "0"), ([0, 1, 2], "0-2"), ([1, 3, 5], "1,3,5"), ([0, 2, 3, 4, 9], "0,2-4,9")],
)
def test_positions_are_written_as_ranges(positions: list[int], text: str) -> None:
    assert ranges(positions) == text


def outcomes(**found: Any) -> Outcomes:
    return Outcomes(**{"truncated": {}, "cached": (), "failures": {}, **found})


TIMINGS = Timings(total_us=10, queue_us=1500, tokenize_us=2, compute_us=3)


def test_headers_of_items_are_left_out_when_there_is_nothing_to_say() -> None:
    headers = result_headers(TIMINGS, outcomes())

    assert headers == {"server-timing": "queue;dur=1.500, tokenize;dur=0.002, compute;dur=0.003"}


def test_headers_say_which_items_were_cut_by_how_much_and_which_were_there_already() -> None:
    headers = result_headers(TIMINGS, outcomes(truncated={0: 12, 3: 400, 4: 1}, cached=[1, 2, 5]))

    assert headers["x-isolane-truncated"] == "0,3-4"
    assert headers["x-isolane-dropped-tokens"] == "0=12,3=400,4=1"
    assert headers["x-isolane-cached"] == "1-2,5"


def test_a_list_that_is_too_long_for_a_header_ends_visibly_and_at_a_whole_entry() -> None:
    every_other = range(0, 2048, 2)

    headers = result_headers(TIMINGS, outcomes(truncated=dict.fromkeys(every_other, 100_000), cached=every_other))

    for name in ("x-isolane-truncated", "x-isolane-dropped-tokens", "x-isolane-cached"):
        *entries, last = headers[name].split(",")
        assert len(headers[name]) <= 2004
        assert last == "..."
        assert [int(entry.partition("=")[0]) for entry in entries] == list(every_other)[: len(entries)]


OK, WRONG, FAILED = item_pb2.OUTCOME_OK, item_pb2.OUTCOME_INVALID, item_pb2.OUTCOME_FAILED
ITEMS = [
    item_pb2.ItemStatus(outcome=OK, truncated=True, dropped_token_count=7),
    item_pb2.ItemStatus(outcome=WRONG, error="it is empty"),
    item_pb2.ItemStatus(outcome=FAILED),
    item_pb2.ItemStatus(outcome=OK, cached=True),
]


def test_item_that_is_wrong_fails_the_request_by_its_position() -> None:
    with pytest.raises(InvalidRequest, match=r"^input\[1\]: it is empty$") as refused:
        read_items(ITEMS, "input", expected=4, keeps_failures=False)

    assert refused.value.param == "input[1]"


def test_item_that_the_model_failed_on_is_the_backends_fault() -> None:
    with pytest.raises(BackendFailed, match=r"input\[0\]: the model failed on it"):
        read_items(ITEMS[2:3], "input", expected=1, keeps_failures=False)


def test_failures_of_items_are_kept_on_request() -> None:
    found = read_items(ITEMS, "input", expected=4, keeps_failures=True)

    assert (found.truncated, found.cached) == ({0: 7}, [3])
    assert {index: type(error) for index, error in found.failures.items()} == {1: InvalidRequest, 2: BackendFailed}
    assert found.failures[1].message == "it is empty"
    assert found.notes() == {"truncated": 1, "cached": 1, "failed": 2}


@pytest.mark.parametrize("keeps_failures", [True, False])
def test_reply_with_fewer_items_than_sent_is_refused(keeps_failures: bool) -> None:
    with pytest.raises(BackendFailed):
        read_items(ITEMS[:1], "input", expected=2, keeps_failures=keeps_failures)
