"""WebVTT: the text of each cue as a browser shows it, with who says it.

Docling's parser refuses a whole cue for what browsers take as text: a bare `&`, a `<` that opens no tag.
https://www.w3.org/TR/webvtt1/ says how cues are cut, in sections 6.1 and 6.4.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from docling_core.types.doc.common.source import TrackSource
from docling_core.types.doc.document import DoclingDocument

from services.documents.backends.reading import text
from services.documents.backends.reading.guard import Passage
from services.documents.backends.reading.line import BOLD, ITALIC, PLAIN, UNDERLINE, Run, add_heading, add_line
from services.documents.backends.reading.reader import Report, Source

_HEADER = "WEBVTT"
_ARROW = "-->"
_TIMES = re.compile(r"\s*((?:\d+:)?\d+:\d+[.,]\d+)\s*-->\s*((?:\d+:)?\d+:\d+[.,]\d+)")
_TAG = re.compile(
    r"<(?:/?(?P<name>[A-Za-z]+)(?P<classes>(?:\.[^\s<>.]*)*)(?:\s++(?P<annotation>[^<>]*+))?/?|/|[\d:.]+)>"
)
"""Tags and timestamps; what opens with `<` and is none stays as it is."""
_WITH_ANNOTATION = {"v", "lang"}
_MOST_OPEN_TAGS = 100
_STYLES = {"b": BOLD, "i": ITALIC, "u": UNDERLINE}
_NOTE = re.compile(r"(?:NOTE(?:[ \t]|$)|STYLE\s*$|REGION\s*$)")


class _Cue(NamedTuple):
    line: int
    """Of its times, counted from 1."""
    identifier: str
    times: str
    payload: str


def read(source: Source, report: Report) -> DoclingDocument:
    """A paragraph for each cue, its lines as line breaks; a change of speaker opens with the name."""
    parsed = text.empty(source, "text/vtt")
    lines = text.decoded(source, report).split("\n")
    if lines[0].startswith(_HEADER):
        add_heading(parsed, [Run(lines[0].removeprefix(_HEADER).lstrip(" \t-"))])
    for cue in _cues(lines, report):
        report.passages.append(Passage(f"the cue of line {cue.line}", _said(cue.payload)))
        runs, voice = _runs(cue.payload)
        first = len(parsed.texts)
        add_line(parsed, runs)
        if track := _track(cue, voice, report):
            for item in parsed.texts[first:]:
                item.source = [track]
    return parsed


def _cues(lines: Sequence[str], report: Report) -> Iterator[_Cue]:
    number = _header_end(lines)
    while number < len(lines):
        if not lines[number].strip():
            number += 1
            continue
        block = number
        while number < len(lines) and not _is_end(lines, number):
            if _ARROW in lines[number] and number > block + 1 and _ARROW in "".join(lines[block : block + 2]):
                break  # a cue without a blank line before it
            number += 1
        yield from _cue(lines[block:number], block + 1, report)


def _header_end(lines: Sequence[str]) -> int:
    """Where the cues begin: what stands above the first blank line is about the file."""
    if not lines[0].startswith(_HEADER):  # SubRip under another name
        return 0
    ends = (number for number in range(1, len(lines)) if _ARROW in lines[number] or not lines[number].strip())
    return next(ends, len(lines))


def _is_end(lines: Sequence[str], number: int) -> bool:
    """True for an empty line; one of spaces belongs to its cue, unless a cue is next."""
    if not lines[number] or lines[number].strip():
        return not lines[number]
    return any(_ARROW in line for line in lines[number + 1 : number + 3])


def _cue(block: Sequence[str], line: int, report: Report) -> Iterator[_Cue]:
    """The cue of a block: an identifier or none, the times, the text."""
    times = next((number for number, content in enumerate(block[:2]) if _ARROW in content), None)
    if times is not None:
        identifier = block[0].strip() if times else ""
        yield _Cue(line + times, identifier, block[times], "\n".join(block[times + 1 :]))
    elif block and not _NOTE.match(block[0]):
        report.problems.append(f"line {line}: '{block[0][:80]}' belongs to no cue; players do not show it")


def _runs(payload: str) -> tuple[list[Run], str]:
    """The text of a cue, and the last speaker's name."""
    runs: list[Run] = []
    open_tags: list[str] = []
    voice, position = "", 0
    for tag in _TAG.finditer(payload):
        if _is_text(tag):
            continue
        runs.append(_run(payload[position : tag.start()], open_tags))
        position = tag.end()
        name = (tag["name"] or "").lower()
        if tag[0].startswith("</"):
            if name in open_tags:
                del open_tags[len(open_tags) - 1 - open_tags[::-1].index(name) :]
            if name == "rt":
                runs.append(Run(")"))
        elif name and len(open_tags) < _MOST_OPEN_TAGS:
            open_tags.append(name)
            speaker = html.unescape(" ".join((tag["annotation"] or "").split()))
            if name == "v" and speaker and speaker != voice:
                voice = speaker
                runs.append(Run(f"{voice}: "))
            if name == "rt":
                runs.append(Run("("))
    runs.append(_run(payload[position:], open_tags))
    return runs, voice


def _is_text(tag: re.Match[str]) -> bool:
    """True for `<b and c>`: what follows the name of such a tag is lost in browsers, and was meant to be read."""
    return (
        bool(tag["annotation"]) and (tag["name"] or "").lower() not in _WITH_ANNOTATION and "=" not in tag["annotation"]
    )


def _run(piece: str, open_tags: Sequence[str]) -> Run:
    return Run(html.unescape(piece), PLAIN.union(*(_STYLES.get(name, PLAIN) for name in set(open_tags[-8:]))))


def _track(cue: _Cue, voice: str, report: Report) -> TrackSource | None:
    times = _TIMES.match(cue.times)
    start, end = map(_seconds, times.groups()) if times else (0.0, 0.0)
    if times is None or end <= start:
        report.problems.append(f"line {cue.line}: '{cue.times.strip()[:80]}' says no time; its text is kept without")
        return None
    return TrackSource(start_time=start, end_time=end, identifier=cue.identifier or None, voice=voice or None)


def _seconds(timestamp: str) -> float:
    seconds = 0.0
    for part in timestamp.replace(",", ".").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _said(payload: str) -> str:
    """The words of a cue, names of speakers among them, read the simple way."""
    named = re.sub(r"<v[.\w]*\s++([^<>]*+)>", r" \1 ", payload)
    return html.unescape(re.sub(r"</?[A-Za-z][\w.-]*(?:\s[^<>=]*+=[^<>]*+)?>|<lang [^<>]*>|<[\d:.]+>", "", named))
