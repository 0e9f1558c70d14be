"""Health, models, metrics and the schema."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.integration


def test_ready_says_for_every_service_and_instance_how_it_is(gateway: Any, services: Any) -> None:
    ready = httpx.get(f"{gateway.url}/health/ready")
    same = httpx.get(f"{gateway.url}/health")

    assert ready.status_code == 200
    assert ready.json() == same.json()
    assert ready.json()["ready"] is True
    assert set(ready.json()["services"]) == {"embedding", "reranking", "documents", "gpu"}
    assert ready.json()["services"]["embedding"] == {
        "healthy": True,
        "required": True,
        "reason": "",
        "instances": [{"address": f"127.0.0.1:{services['embedding'].port}", "healthy": True, "reason": ""}],
        "differences": [],
    }
    assert ready.json()["services"]["gpu"]["required"] is False


def test_gateway_without_services_is_alive_but_not_ready(launch: Any) -> None:
    alone = launch("gateway", ISOLANE_GATEWAY_PORT="0", ISOLANE_GATEWAY_UPSTREAMS__EMBEDDING="")

    live = httpx.get(f"{alone.url}/health/live")
    ready = httpx.get(f"{alone.url}/health/ready")
    models = httpx.get(f"{alone.url}/v1/models")

    assert live.json() == {"alive": True}
    assert ready.status_code == 503
    assert ready.headers["retry-after"] == "1"
    assert ready.headers["content-type"] == "application/problem+json"
    problem = ready.json()
    assert problem["code"] == "unavailable"
    assert "embedding, reranking, documents" in problem["detail"]
    assert problem["services"]["embedding"]["instances"] == []
    assert "no instance is known" in problem["services"]["embedding"]["reason"]
    assert problem["services"]["reranking"]["instances"][0]["reason"]
    assert models.status_code == 503
    assert models.json()["error"]["code"] == "no_endpoint"


def test_models_of_all_services_are_listed(gateway: Any) -> None:
    answer = httpx.get(f"{gateway.url}/v1/models").json()

    cards = {card["id"]: card for card in answer["data"]}
    assert answer["object"] == "list"
    assert {(card["id"], card["service"]) for card in cards.values()} == {
        ("all-MiniLM-L6-v2", "embedding"),
        ("ms-marco-MiniLM-L-12-v2", "reranking"),
    }
    assert cards["all-MiniLM-L6-v2"]["dimensions"] == 384
    assert cards["ms-marco-MiniLM-L-12-v2"]["dimensions"] is None
    assert {card["dtype"] for card in cards.values()} == {"float32"}
    assert {card["object"] for card in cards.values()} == {"model"}


def test_models_of_the_other_service_are_listed_when_one_is_down(
    gateway: Any, services: Any, launch: Any, settings_for: Any, eventually: Any
) -> None:
    half = launch("gateway", **{**settings_for(services), "ISOLANE_GATEWAY_UPSTREAMS__RERANKING": "127.0.0.1:1"})
    eventually(lambda: httpx.get(f"{half.url}/v1/models").status_code == 200)

    listed = httpx.get(f"{half.url}/v1/models").json()
    found = httpx.get(f"{half.url}/v1/models/all-MiniLM-L6-v2")
    perhaps = httpx.get(f"{half.url}/v1/models/ms-marco-MiniLM-L-12-v2")
    nowhere = httpx.get(f"{gateway.url}/v1/models/elsewhere")

    assert [card["id"] for card in listed["data"]] == ["all-MiniLM-L6-v2"]
    assert found.status_code == 200
    assert perhaps.status_code == 503
    assert nowhere.status_code == 404


def test_metrics_count_requests_by_route_and_never_by_path(gateway: Any) -> None:
    httpx.get(f"{gateway.url}/v1/models/some/unique/name")
    httpx.get(f"{gateway.url}/another/unique/name")

    answer = httpx.get(f"{gateway.url}/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'isolane_gateway_request_seconds_count{method="GET",route="unmatched",status="404"}' in answer.text
    assert re.search(r'request_seconds_count\{method="GET",route="/v1/models/\{model_id\}",status="404"\}', answer.text)
    assert "unique" not in answer.text
    assert 'isolane_rpc_client_seconds_count{code="OK",method="ListModels",service="embedding"}' in answer.text


def test_schema_lists_every_public_route_and_loads_nothing_from_elsewhere(gateway: Any) -> None:
    answer = httpx.get(f"{gateway.url}/schema/openapi.json")
    page = httpx.get(f"{gateway.url}/schema")

    paths = answer.json()["paths"]
    assert {"/v1/embeddings", "/v1/rerank", "/v2/rerank", "/v1/convert/file", "/v1/models", "/health"} <= set(paths)
    request = paths["/v1/embeddings"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert request == {"$ref": "#/components/schemas/EmbeddingsRequest"}
    form = paths["/v1/convert/file"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["files"]
    assert not re.search(r"https?://", answer.text + page.text)


def test_schema_declares_what_each_route_may_answer_instead(gateway: Any) -> None:
    paths = httpx.get(f"{gateway.url}/schema/openapi.json").json()["paths"]

    everywhere = {"400", "413", "429", "500", "503", "504"}
    for path in ("/v1/embeddings", "/v1/rerank", "/v2/rerank"):
        assert set(paths[path]["post"]["responses"]) == everywhere | {"200", "404", "415"}
    assert set(paths["/v1/convert/file"]["post"]["responses"]) == everywhere | {"200", "415", "422"}
    assert set(paths["/v1/models"]["get"]["responses"]) == everywhere | {"200"}
    assert set(paths["/v1/models/{model_id}"]["get"]["responses"]) == everywhere | {"200", "404"}
    for path in ("/health", "/health/ready"):
        assert "application/problem+json" in paths[path]["get"]["responses"]["503"]["content"]


def test_schema_declares_every_option_of_a_conversion_that_has_an_effect(gateway: Any) -> None:
    paths = httpx.get(f"{gateway.url}/schema/openapi.json").json()["paths"]

    form = paths["/v1/convert/file"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    beside = {"include", "page_range", "do_ocr", "force_ocr", "ocr_lang", "document_timeout"}
    assert set(form["properties"]) == {"files", "to_formats", "from_formats", *beside}


def test_readiness_and_version_are_where_docling_serve_has_them(gateway: Any) -> None:
    assert httpx.get(f"{gateway.url}/ready").json() == httpx.get(f"{gateway.url}/health/ready").json()
    assert httpx.get(f"{gateway.url}/version").json() == {"isolane": version("isolane")}


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/ready", "/version"])
def test_head_is_answered_as_get_without_the_body(path: str, gateway: Any) -> None:
    with httpx.Client(base_url=gateway.url) as client:
        head, get = client.head(path), client.get(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == get.headers["content-type"]
