"""A line to try, and the answer to it."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ops.client import Gateway

EXAMPLE_TEXT = "Isolane serves embeddings."
_SHOWN = 4


def answered_example(gateway: Gateway) -> str:
    """The line for an embedding, and what the gateway answers to just that."""
    body = example_body(gateway.default_model("embedding"))
    answer = gateway.embeddings(body).json()
    return f"Try:\n  {example_line(gateway.url, body)}\nIt just answered:\n  {shortened(answer)}"


def example_body(model: str) -> dict[str, Any]:
    """The request that the example line sends."""
    return {"model": model, "input": EXAMPLE_TEXT}


def example_line(url: str, body: dict[str, Any]) -> str:
    """A shell line that sends `body` for an embedding."""
    data = shlex.quote(json.dumps(body))
    return f"curl -s {url}/v1/embeddings -H 'Content-Type: application/json' -d {data}"


def shortened(answer: dict[str, Any]) -> str:
    """An OpenAI embeddings answer as one JSON line whose vectors show their first numbers only."""
    vectors = [item["embedding"] for item in answer["data"]]
    data = [{**item, "embedding": f"@{number}"} for number, item in enumerate(answer["data"])]
    text = json.dumps({**answer, "data": data})
    for number, vector in enumerate(vectors):
        shown = ", ".join(f"{value:.6g}" for value in vector[:_SHOWN])
        text = text.replace(f'"@{number}"', f"[{shown}, … {len(vector) - _SHOWN} more]")
    return text
