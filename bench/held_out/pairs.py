"""Mine (query, passage) pairs from installed documentation; no model and no network is involved."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.held_out import docstrings, sources

_FEWEST_QUERY_WORDS, _MOST_QUERY_WORDS = 2, 24
_FEWEST_PASSAGE_WORDS, _MOST_PASSAGE_WORDS = 8, 60
_HELD_OUT_PERCENT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPair:
    """A query, the passage that answers it and the part of a package both come from."""

    query: str
    passage: str
    group: str


def held_out_pairs() -> list[TextPair]:
    """Return the pairs of the groups that are held out, the same for the same installation."""
    return [pair for pair in mine_pairs() if is_held_out(pair.group)]


def mine_pairs() -> list[TextPair]:
    """Return the pairs of the standard library and the allow-listed packages, the same for the same installation."""
    found: list[TextPair] = []
    for source in (*sources.standard_library_files(), *sources.package_files()):
        found.extend(pairs_of_file(source))
    for name, text in sources.readmes():
        found.extend(pairs_of_document(text, group=f"readme.{name}"))
    return without_repeats(found)


def pairs_of_file(source: sources.SourceFile) -> Iterator[TextPair]:
    """Yield the pairs of one file; a file that cannot be read or parsed has none."""
    try:
        text = source.path.read_text(encoding="utf-8")
        group = group_of(source.module)
        if source.module == "stdlib.pydoc_data.topics":
            yield from _pairs_of_topics(text)
        elif source.path.suffix == ".rst":
            yield from pairs_of_document(text, group=group)
        else:
            for documented in docstrings.documented_objects(text):
                yield from pairs_of_docstring(documented, group=group)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return


def group_of(module: str) -> str:
    """Return the part of a package that is held out as a whole: `scipy.signal`, `stdlib.asyncio`."""
    parts = [part for part in module.split(".") if part != "__init__"]
    return ".".join(part.lstrip("_") for part in parts[:2])


def pairs_of_docstring(documented: docstrings.Documented, *, group: str) -> Iterator[TextPair]:
    """Yield summary to description, name to summary, parameter to its text, and opening sentence to the rest."""
    found = docstrings.sections(documented.text)
    opening = list(docstrings.paragraphs(found[0].lines))
    if not opening:
        return
    summary, *description = opening
    name = words_of(documented.name)
    pairs: list[tuple[str, str]] = [(summary, description[0])] if description else []
    if len(name.split()) > 1:
        pairs.append((name, " ".join((summary, *description[:1]))))
    for section in found[1:]:
        pairs.extend(_pairs_of_section(section, subject=name))
    pairs.extend(_opening_sentences(description[1:]))
    yield from _acceptable(pairs, group=group)


def pairs_of_document(text: str, *, group: str) -> Iterator[TextPair]:
    """Yield heading to first paragraph and opening sentence to the rest, for a readme or a topic page."""
    subject = group.rsplit(".", maxsplit=1)[-1].replace("_", " ").replace("-", " ")
    pairs: list[tuple[str, str]] = []
    for section in docstrings.sections(text):
        prose = list(docstrings.paragraphs(section.lines))
        if section.heading and prose and not docstrings.is_skipped(section):
            pairs.append((f"{subject}: {section.heading}", prose[0]))
        pairs.extend(_opening_sentences(prose))
    yield from _acceptable(pairs, group=group)


def _pairs_of_topics(source: str) -> Iterator[TextPair]:
    for text in re.findall(r"r?'''(.*?)'''", source, flags=re.DOTALL):
        yield from pairs_of_document(text, group="stdlib.pydoc_data")


def _pairs_of_section(section: docstrings.Section, *, subject: str) -> Iterator[tuple[str, str]]:
    if docstrings.is_skipped(section):
        return
    if docstrings.holds_parameters(section):
        for name, description in docstrings.parameters(section):
            yield f"{words_of(name)} of {subject}", description
    else:
        yield from _opening_sentences(docstrings.paragraphs(section.lines))


def _opening_sentences(prose: Iterable[str]) -> Iterator[tuple[str, str]]:
    for paragraph in prose:
        sentence, _, rest = paragraph.partition(". ")
        yield sentence, rest


def words_of(identifier: str) -> str:
    """Return an identifier as lower-case words: `find_peaks` and `FindPeaks` give `find peaks`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", identifier.replace("_", " "))
    return " ".join(spaced.lower().split())


def _acceptable(pairs: Iterable[tuple[str, str]], *, group: str) -> Iterator[TextPair]:
    for query, passage in pairs:
        words = passage.split()[:_MOST_PASSAGE_WORDS]
        asked = query.rstrip(".: ")
        if _FEWEST_QUERY_WORDS <= len(asked.split()) <= _MOST_QUERY_WORDS and _is_prose(words):
            yield TextPair(query=asked, passage=" ".join(words), group=group)


def _is_prose(words: list[str]) -> bool:
    alphabetic = sum(word.strip(".,;:()'\"").isalpha() for word in words)
    return len(words) >= _FEWEST_PASSAGE_WORDS and alphabetic >= 0.75 * len(words)


def without_repeats(pairs: Iterable[TextPair]) -> list[TextPair]:
    """Return the pairs whose query and passage have not been seen before; inherited docstrings repeat a lot."""
    seen: set[str] = set()
    kept: list[TextPair] = []
    for pair in pairs:
        keys = {_text_key(pair.query), _text_key(pair.passage)}
        if seen.isdisjoint(keys) and len(keys) == 2:
            kept.append(pair)
            seen |= keys
    return kept


def is_held_out(group: str) -> bool:
    """Say whether a group is judged by: 8 of 100, by the hash of the name and nothing else.

    All earlier figures are of these groups; who tunes a model on such text has the others for it.
    """
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < _HELD_OUT_PERCENT


def _text_key(text: str) -> str:
    # The first words are enough: copies of a docstring differ at the end, by a version note or a default.
    return " ".join(re.findall(r"\w+", text.lower())[:16])
