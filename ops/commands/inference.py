"""`isolane embed`, `isolane rerank`, `isolane parse`: the three APIs from the command line."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
import httpx

from ops.client import GatewayFailed
from ops.commands.options import json_option, open_gateway, url_option
from ops.progress import Progress

_SHOWN = 6
_FIELDS = {"md": "md_content", "html": "html_content", "text": "text_content", "json": "json_content"}
"""Where docling-serve's answer has each format."""

_INCLUDES = ("footnotes", "headers", "comments", "speaker_notes", "hidden", "changes")

model_option = click.option("--model", help="Id of the model; without it the first that is served.")
priority_option = click.option(
    "--priority", type=click.Choice(["interactive", "bulk"]), help="Bulk work waits for interactive work."
)


@click.command()
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@model_option
@click.option(
    "--input-type", type=click.Choice(["query", "document"]), help="What the texts are for, where the model asks."
)
@priority_option
@url_option
@json_option
def embed(
    *,
    texts: tuple[str, ...],
    model: str | None,
    input_type: str | None,
    priority: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Turn texts into vectors; prints the beginning of each."""
    with open_gateway(url) as gateway:
        body: dict[str, Any] = {"model": model or gateway.default_model("embedding"), "input": list(texts)}
        if input_type:
            body["input_type"] = input_type
        reply = gateway.embeddings(body, priority=priority)
    _warn_of_cuts(reply, "text")
    if as_json:
        click.echo(reply.text)
        return
    answer = reply.json()
    for item in answer["data"]:
        click.echo(_vector_line(item["embedding"], texts[item["index"]]))
    click.echo(f"model {answer['model']}, {answer['usage']['total_tokens']} tokens")


@click.command()
@click.argument("query")
@click.argument("documents", metavar="DOCUMENT...", nargs=-1, required=True)
@model_option
@priority_option
@url_option
@json_option
def rerank(
    *,
    query: str,
    documents: tuple[str, ...],
    model: str | None,
    priority: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Sort documents by how well they answer a query; prints score, position and text, the best first."""
    with open_gateway(url) as gateway:
        chosen = model or gateway.default_model("reranking")
        body = {"model": chosen, "query": query, "documents": list(documents)}
        reply = gateway.rerank(body, priority=priority)
    _warn_of_cuts(reply, "document")
    if as_json:
        click.echo(reply.text)
        return
    results = sorted(reply.json()["results"], key=lambda result: float(result["relevance_score"]), reverse=True)
    for result in results:
        click.echo(f"{result['relevance_score']:.4f}  {result['index']}  {documents[result['index']]}")


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--to", "form", type=click.Choice(list(_FIELDS)), default="md", show_default=True, help="What to print.")
@click.option("--include", multiple=True, type=click.Choice(_INCLUDES), help="What to add to the text; repeat it.")
@click.option("--pages", metavar="FIRST-LAST", help="Of files in pages, only these; 7 alone is 7-7.")
@click.option("--ocr/--no-ocr", default=True, show_default=True, help="Read what only the pictures of pages show.")
@click.option("--force-ocr", is_flag=True, help="Read everything from pictures, also where there is text.")
@click.option("--ocr-lang", "languages", multiple=True, help="Language of pictures, for example de; repeat it.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds for each file, as far as the gateway allows it; then the pages that were read are printed.",
)
@url_option
@json_option
def parse(
    *,
    files: tuple[Path, ...],
    form: str,
    include: tuple[str, ...],
    pages: str | None,
    ocr: bool,
    force_ocr: bool,
    languages: tuple[str, ...],
    timeout_s: float,
    url: str | None,
    as_json: bool,
) -> None:
    """Turn documents (PDF, scans, DOCX, HTML, ...) into Markdown, HTML, text or structured JSON.

    Of several files each has its name above it; one that fails leaves the others alone.
    Of files in pages a line on standard error tells how many were read.
    """
    if force_ocr and not ocr:
        raise click.UsageError("--no-ocr and --force-ocr exclude each other")
    failed = []
    paging = {"do_ocr": str(ocr).lower(), "force_ocr": str(force_ocr).lower(), "ocr_lang": list(languages)}
    if pages:
        paging["page_range"] = pages if "-" in pages else f"{pages}-{pages}"
    progress = Progress(sys.stderr)
    with open_gateway(url) as gateway:
        for file in files:
            name = f"{file}: " if len(files) > 1 else ""
            try:
                answer = gateway.convert(
                    file,
                    form,
                    on_page=partial(_tell, progress, file),
                    include=include,
                    paging=paging,
                    timeout_s=timeout_s,
                )
            except GatewayFailed as exc:
                failed.append(f"{name or f'{file.name}: '}{str(exc).removeprefix(f'{file.name}: ')}")
                continue
            finally:
                progress.done()
            if name and not as_json:
                click.echo(f"==> {file} <==")
            _show(answer, form, name=name, as_json=as_json)
    if failed:
        raise GatewayFailed("\n".join(failed))


def _tell(progress: Progress, file: Path, done: int, total: int) -> None:
    progress.waiting(f"{file.name}: {done} of {total} pages")


def _show(answer: dict[str, Any], form: str, *, name: str, as_json: bool) -> None:
    """Print a document, and on standard error what could not be kept of it."""
    if answer.get("status") == "partial_success":
        for error in answer["errors"]:
            click.echo(f"warning: {name}{error['error_message']}", err=True)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    content = answer["document"][_FIELDS[form]]
    click.echo(content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False))


def _warn_of_cuts(reply: httpx.Response, noun: str) -> None:
    """Say on standard error of which inputs a part was left out."""
    positions = reply.headers.get("x-isolane-truncated", "")
    if positions.isdigit():
        click.echo(f"warning: {noun} {positions} was cut at the model's limit", err=True)
    elif positions:
        click.echo(f"warning: {noun}s {positions} were cut at the model's limit", err=True)


def _vector_line(vector: list[Any], text: str) -> str:
    numbers = " ".join(f"{value:+.4f}" for value in vector[:_SHOWN])
    shown = text if len(text) <= 40 else f"{text[:39]}…"
    return f"{shown}: {len(vector)} dimensions: {numbers} …"
