"""What the person sees once the stack runs: what runs where, a line to try, and the answer to it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops.client import Gateway
from ops.local.state import StackState

EXAMPLE_TEXT = "Isolane serves embeddings."
_SHOWN = 4


def table(state: StackState) -> str:
    """One line per process: name, pid, address, log."""
    rows = [("PART", "PID", "ADDRESS", "LOG")]
    rows += [(part.name, str(part.pid or "-"), part.url, _short(part.log)) for part in state.parts]
    return columns(rows)


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as aligned lines."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


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


def welcome(state: StackState, gateway: Gateway) -> str:
    """The whole text; asks the gateway the very thing that its example line asks."""
    body = example_body(gateway.default_model("embedding"))
    answer = gateway.embeddings(body).json()
    return "\n".join(
        [
            "",
            table(state),
            "",
            "Try:",
            f"  {example_line(state.url, body)}",
            "It just answered:",
            f"  {shortened(answer)}",
            "",
        ]
    )


def _short(path: str) -> str:
    """A path relative to the current folder where it lies below it."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else str(Path(relative))
