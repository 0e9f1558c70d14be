"""What a file says is in the answer, whole and in order, or named in `errors`; what is switched off is not.

`bench/loss/formats/` has the constructs. A failure names construct, form, and the words that were lost or leaked;
`just bench loss FORMAT --write FOLDER` writes the files and the answers.
"""

from __future__ import annotations

import json

import pytest

from bench.loss import systems
from bench.loss.constructs import Construct, Format, samples, text_file
from bench.loss.counting import Answer, count
from bench.loss.formats import FORMATS
from bench.loss.measuring import measure
from services.documents.backends import formats
from services.documents.backends.base import Include, Output

# Libraries warn about what they read as they like; what counts is what comes out.
pytestmark = pytest.mark.filterwarnings("ignore")


PRINTED = {"image", "pdf"}
"""Measured by files of the others, printed (`bench.loss.pdf`)."""


@pytest.fixture(scope="module")
def read() -> systems.Read:
    return systems.isolane()


@pytest.mark.parametrize("name", FORMATS)
def test_no_word_is_lost_in_silence_or_leaks(name: str, read: systems.Read) -> None:
    reading = measure(FORMATS[name], read)

    assert not reading.faults(), "\n".join([f"{name}:", *reading.faults()])


def test_every_format_has_its_constructs() -> None:
    assert set(FORMATS) == {format_.name for format_ in formats.FORMATS} - PRINTED
    assert all(len(format_.constructs) >= 20 for format_ in FORMATS.values())


def test_every_word_of_a_format_is_another() -> None:
    for format_ in FORMATS.values():
        words = [word.text for sample in samples(format_, each=True) for word in sample.words]

        assert len(words) == len(set(words)), format_.name
        assert not [word for word in words if any(word in other for other in words if other != word)], format_.name


SMALL = Format(
    name="md",
    filename="a.md",
    constructs=[
        Construct(name="kept", source="@w @w"),
        Construct(name="cut", source="@l**@r**"),
        Construct(name="off", source="@x"),
        Construct(name="note", source="@footnotes"),
    ],
    build=text_file,
)
ONE, TWO, CUT, OFF, NOTE = "w001md", "w002md", "w003md", "w004md", "w005md"


def answer(text: str, *errors: str) -> Answer:
    content = f'{{"body": {{"children": []}}, "texts": [{{"text": "{text}"}}]}}'
    outputs = {Output.MARKDOWN: text, Output.HTML: text, Output.TEXT: text, Output.JSON: content}
    return Answer(outputs=outputs, errors=errors)


@pytest.mark.parametrize(
    ("given", "construct", "said"),
    [
        (answer(f"{ONE} {TWO} {CUT}"), "kept", "ok"),
        (answer(f"{ONE} {CUT}"), "kept", f"lost {TWO}"),
        (answer(f"{ONE} {CUT}", f"the word '{TWO}' is not in the answer"), "kept", f"named {TWO}"),
        (answer(f"{ONE} {TWO} {CUT}", f"the word '{TWO}' is not in the answer"), "kept", f"alarms {TWO}"),
        (answer(f"{ONE}{TWO} {CUT}"), "kept", f"torn {ONE} {TWO}"),
        (answer(f"{ONE} {TWO} w003 md"), "cut", f"torn {CUT}"),
        (answer(f"{ONE} {TWO} {CUT} {OFF}"), "off", f"leaked {OFF}"),
        (answer(f"{ONE} {TWO} {CUT} {NOTE}"), "note", f"leaked {NOTE}"),
        (answer(f"{CUT} {ONE} {TWO}"), "cut", f"misplaced {CUT}"),
    ],
)
def test_the_meter_tells_what_became_of_words(given: Answer, construct: str, said: str) -> None:
    (sample,) = samples(SMALL)

    counts = count(sample, given)

    assert str(counts[construct, Output.TEXT]) == said


@pytest.mark.parametrize(
    ("pieces", "label", "construct", "said"),
    [
        (["w003", "md"], "inline", "cut", "ok"),
        (["w003", "md"], "unspecified", "cut", f"torn {CUT}"),
        ([f"{ONE} x", f"{TWO}"], "inline", "kept", "ok"),
        ([f"x{ONE}", TWO], "inline", "kept", f"torn {ONE}"),
        ([f"{ONE}{TWO}"], "inline", "kept", f"torn {ONE} {TWO}"),
    ],
)
def test_the_meter_joins_the_pieces_of_a_line_alone(pieces: list[str], label: str, construct: str, said: str) -> None:
    (sample,) = samples(SMALL)
    texts = [{"text": piece} for piece in pieces]
    group = {"label": label, "children": [{"$ref": f"#/texts/{index}"} for index in range(len(texts))]}
    document = {"body": {"children": [{"$ref": "#/groups/0"}]}, "groups": [group], "texts": texts}
    given = Answer(outputs={**dict.fromkeys(Output, ""), Output.JSON: json.dumps(document)})

    assert str(count(sample, given)[construct, Output.JSON]) == said


def test_the_meter_looks_for_what_was_asked_for() -> None:
    (sample,) = samples(SMALL)

    counts = count(sample, answer(f"{ONE} {TWO} {CUT}"), Include.FOOTNOTES)

    assert str(counts["note", Output.TEXT]) == f"lost {NOTE}"


@pytest.mark.parametrize("leak", ["<class 'list'>", "object at 0x7f", "None", "a&#124;b"])
def test_the_meter_finds_what_is_no_text(leak: str) -> None:
    (sample,) = samples(SMALL)

    counts = count(sample, answer(f"{ONE} {TWO} {CUT} {leak}"))

    assert "leaked" in str(counts["(whole file)", Output.TEXT])
