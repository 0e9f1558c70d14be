"""Files parsed as a worker does it, in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from services.documents.backends.base import Document, Include, Output
from services.documents.backends.engines.fake import FakeEngines
from services.documents.backends.reading.parser import DoclingParser


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a file."""

    format: str
    md: str
    html: str
    text: str
    json: str
    errors: list[str]


Parse = Callable[..., Answer]


def compact(text: str) -> str:
    """The text, the cells of its tables without padding and without the line under their head."""
    lines = [line for line in text.splitlines() if not re.fullmatch(r"\|[-|]+\|", line)]
    return "\n".join(re.sub(r" +", " ", line) if line.startswith("|") else line for line in lines)


@pytest.fixture(scope="session")
def parser() -> DoclingParser:
    """The parser with limits that no test reaches."""
    return DoclingParser(engines=FakeEngines(), max_unpacked_bytes=2**28, max_output_bytes=2**26)


@pytest.fixture
def parse(parser: DoclingParser) -> Parse:
    """Parses a file into all forms: `parse("a.md", b"# Head", Include.COMMENTS)`."""

    def parse_(filename: str, data: bytes, *include: Include) -> Answer:
        document = Document(filename=filename, data=data, outputs=list(Output), include=include)
        parsed = parser.parse_whole(document)
        outputs: Mapping[Output, bytes] = parsed.outputs
        return Answer(
            format=parsed.format,
            md=outputs[Output.MARKDOWN].decode(),
            html=outputs[Output.HTML].decode(),
            text=outputs[Output.TEXT].decode(),
            json=outputs[Output.JSON].decode(),
            errors=list(parsed.errors),
        )

    return parse_
