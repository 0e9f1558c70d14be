"""Letters to lines of text: what stands side by side, in the order of reading, with the spaces that a reader sees."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter

from services.documents.backends.reading.pdf.accents import accented, accented_from_right, is_mark
from services.documents.backends.reading.pdf.bidi import is_right_to_left, logical, logical_from_left, mirrored, nesting
from services.documents.backends.reading.pdf.indices import SMALL, with_indices
from services.documents.backends.reading.pdf.letters import Letter, right_to_left_share, turned

_COLUMN_GAP = 0.8
"""Of the height of a line: what is further apart may be another column's. Narrow gutters are 1.2 (12 points beside
9-point type), columns of tables 0.9; a line that is cut in a wide space is joined again within its paragraph."""
_SAME_LINE = 0.5
"""Of the lower of two pieces: how much of their heights must be shared."""
_SCRIPT = 0.66
"""Of a line's height: what is lower is an index or a footnote's mark, and short."""
_SHORT = 6
_LOWERED = 0.1
"""Of a line's height: letters so far from its baseline are raised or lowered, as in the sign of TeX."""
_SPACE = 0.15
"""Of the height: a gap that is a space. TeX shrinks spaces to 0.22 of it, kerning is below 0.06."""
_SPACE_BESIDE_SPACES = 0.3
"""The same in a line that has spaces of its own, unless those are narrower."""
_AS_WIDE = 0.9
"""Of the usual space of such a line: a gap so wide is one that was left out, as `Figure 3-1` is held together."""
_TRACKED = 0.08
"""Of the height: letters that are all so far apart are spaced out."""
_MOSTLY_LETTERS = 0.66
"""Share of letters in a line that may be a word typed with spaces: `A N N U A L   R E P O R T   2 0 2 4` has 0.75."""
_BAND = 4.0
"""Height of the strips in which neighbours are looked for. Unit: points."""
_TATWEEL = "\u0640"
"""Draws a word out, to the foreign one that it is the article of."""
_ENDS_ON_THE_LEFT = re.compile(r"[.,:;!?،؛؟)][^\W\d_]")
"""Foreign words alone in a line from right to left: their full stop is on the left."""
_SPACED_OUT = re.compile(r"(?<!\S)(?:[^\W\d_] ){3,}[^\W\d_](?!\S)")
"""Four single letters or more: a word typed with spaces, `T I T L E`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A piece of a line, without a gap as between columns. Unit of boxes: points from the page's top left."""

    pieces: tuple[Letter, ...]
    """Its letters and spaces, in the order of reading."""
    angle: int

    @property
    def text(self) -> str:
        """As a reader reads it."""
        return text_of(self.pieces)


def text_of(pieces: Iterable[Letter]) -> str:
    """The text of letters that follow each other."""
    text = unicodedata.normalize("NFC", "".join(piece.text for piece in pieces))
    return _SPACED_OUT.sub(lambda match: match[0].replace(" ", ""), text)


def box_of(pieces: Sequence[Letter]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of letters, on the page; indices, and letters that are lowered, make it no higher."""
    inked = [piece for piece in pieces if piece.text != " "] or pieces
    main = max(piece.height for piece in inked)
    tall = [piece for piece in inked if piece.height > SMALL * main]
    level = sorted(piece.bottom for piece in tall)[len(tall) // 2]
    tall = [piece for piece in tall if abs(piece.bottom - level) <= _LOWERED * main]
    box = (
        min(piece.left for piece in inked),
        min(piece.top for piece in tall),
        max(piece.right for piece in inked),
        max(piece.bottom for piece in tall),
    )
    if not (angle := inked[0].angle):
        return box
    corners = [turned(x, y, -angle) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def lines(letters: Sequence[Letter]) -> list[Line]:
    """The lines of a page, by the place of their first letter in its content.

    It takes time in proportion to the letters, but for their sorting.
    """
    share = right_to_left_share([letter.text for letter in letters if not letter.text.isascii()])
    is_right_to_left_page = share > 0.5 and right_to_left_share([letter.text for letter in letters]) > 0.4
    found: list[Line] = []
    turned_to_left: list[int] = []
    upright = sorted(letters, key=attrgetter("angle"))
    for angle, group in groupby(upright, key=attrgetter("angle")):
        for row in _rows(list(_runs(group))):
            pieces, is_turned = _read(row, is_right_to_left_page=is_right_to_left_page)
            if pieces:
                turned_to_left += [len(found)] * is_turned
                found.append(Line(pieces=tuple(pieces), angle=angle))
    if sum(nesting(found[at].text) for at in turned_to_left) < 0:
        for at in turned_to_left:
            found[at] = Line(pieces=tuple(_brackets_turned(found[at].pieces)), angle=found[at].angle)
    return sorted(found, key=lambda line: min(piece.order for piece in line.pieces))


def words(line: Line) -> Iterator[tuple[Letter, ...]]:
    """The words of a line."""
    for is_space, group in groupby(line.pieces, key=lambda piece: piece.text == " "):
        if not is_space:
            yield tuple(group)


class _Run:
    """Letters that follow each other in the content and on the page."""

    __slots__ = ("bottom", "left", "letters", "right", "top")

    def __init__(self, letter: Letter) -> None:
        self.letters = [letter]
        self.left, self.top, self.right, self.bottom = letter.left, letter.top, letter.right, letter.bottom

    def add(self, letter: Letter) -> None:
        self.letters.append(letter)
        self.left, self.right = min(self.left, letter.left), max(self.right, letter.right)
        self.top, self.bottom = min(self.top, letter.top), max(self.bottom, letter.bottom)


def _runs(letters: Iterable[Letter]) -> Iterator[_Run]:
    run: _Run | None = None
    for letter in sorted(letters, key=attrgetter("order")):
        if run is not None and _continues(run.letters[-1], letter):
            run.add(letter)
            continue
        if run is not None:
            yield run
        run = _Run(letter)
    if run is not None:
        yield run


def _continues(last: Letter, letter: Letter) -> bool:
    height = min(last.height, letter.height)
    gap = max(letter.left - last.right, last.left - letter.right)
    if is_mark(letter.text) or is_mark(last.text):
        return gap < height and abs(last.bottom - letter.bottom) < height
    if height < 0.9 * max(last.height, letter.height) or abs(last.bottom - letter.bottom) > 0.1 * height:
        return False
    return -0.5 * height < gap < 0.5 * height


def _rows(runs: Sequence[_Run]) -> Iterator[list[Letter]]:
    """Runs side by side, joined: each to the nearest one on its left, which has one neighbour on the right."""
    ends: dict[int, _Run] = {}
    left_of: dict[int, _Run] = {}
    taken: set[int] = set()
    for run in sorted(runs, key=attrgetter("left")):
        bands = range(int(run.top // _BAND), int(run.bottom // _BAND) + 1)
        near = {id(ends[band]): ends[band] for band in bands if band in ends}
        fitting = [other for other in near.values() if id(other) not in taken and _is_beside(other, run)]
        if fitting:
            best = max(fitting, key=lambda other: (_shared(other, run), other.right))
            left_of[id(run)] = best
            taken.add(id(best))
        for band in bands:
            if band not in ends or run.right >= ends[band].right or id(ends[band]) in taken:
                ends[band] = run
    right_of = {id(left): run for run in runs if (left := left_of.get(id(run))) is not None}
    for run in runs:
        if id(run) in left_of:
            continue
        row: list[Letter] = []
        following: _Run | None = run
        while following is not None:
            row.extend(following.letters)
            following = right_of.get(id(following))
        yield row


def _shared(left: _Run, right: _Run) -> float:
    return min(left.bottom, right.bottom) - max(left.top, right.top)


def _is_beside(left: _Run, right: _Run) -> bool:
    heights = sorted((left.bottom - left.top, right.bottom - right.top))
    if _shared(left, right) < _SAME_LINE * heights[0]:
        return False
    if heights[0] < _SCRIPT * heights[1]:
        lower = left if left.bottom - left.top == heights[0] else right
        if len(lower.letters) > _SHORT or heights[0] < 0.3 * heights[1]:
            return False
    return -0.6 * heights[1] < right.left - left.right < _COLUMN_GAP * heights[1]


def _brackets_turned(pieces: Iterable[Letter]) -> Iterator[Letter]:
    """The pieces of a line with brackets of the other kind: files say what a bracket looks like, or what it is."""
    for piece in pieces:
        yield piece._replace(text=mirrored(piece.text))


def _read(row: list[Letter], *, is_right_to_left_page: bool) -> tuple[list[Letter], bool]:
    """The letters of a row in the order of reading, with its spaces, and whether it was turned around."""
    letters = sorted(row, key=lambda letter: (letter.left + letter.right, letter.order))
    pieces = _spaced(letters)
    text = "".join(piece.text for piece in pieces)
    is_turned = is_right_to_left(text) and (is_right_to_left_page or right_to_left_share([text]) > 0.5)
    if is_turned or (is_right_to_left_page and _ENDS_ON_THE_LEFT.match(text)):
        pieces = accented_from_right(_from_right(pieces))
    elif is_right_to_left(text):
        pieces = accented_from_right([pieces[at] for at in logical_from_left([piece.text for piece in pieces])])
    else:
        pieces = accented(pieces)
    return with_indices(pieces), is_turned


def _spaced(letters: Sequence[Letter]) -> list[Letter]:
    inked = [letter for letter in letters if letter.text != " "]
    if not inked:
        return []
    height = sorted(letter.height for letter in inked)[len(inked) // 2]
    base = _tracking(letters, inked, height)
    has_spaces = not base and len(inked) < len(letters)
    limit = base + _SPACE * height
    if has_spaces:
        limit = max(limit, min(_SPACE_BESIDE_SPACES * height, _AS_WIDE * _usual_space(letters)))
    pieces = [inked[0]]
    typed: Letter | None = None
    seen_first = False
    for letter in letters:
        if letter.text == " ":
            typed = letter
            continue
        if not seen_first:
            seen_first, typed = True, None
            continue
        last = pieces[-1]
        gap = letter.left - last.right
        if gap > limit or (typed is not None and gap > base + 0.02 * height):
            pieces.append(last._replace(text=" ", left=last.right, right=max(letter.left, last.right)))
        pieces.append(letter)
        typed = None
    return pieces


def _tracking(letters: Sequence[Letter], inked: Sequence[Letter], height: float) -> float:
    """By how much the letters of a line are spaced out; 0 for a line that is not."""
    is_word = sum(letter.text.isalpha() for letter in inked) > _MOSTLY_LETTERS * len(inked)
    # What is typed with spaces is a word only if it is of letters: `1 2 3 4`, `a = b + c` and dots to a number are not.
    beside = [pair for pair in pairwise(inked if is_word else letters) if " " not in (pair[0].text, pair[1].text)]
    gaps = sorted(max(0.0, right.left - left.right) for left, right in beside)
    usual = gaps[len(gaps) // 4] if len(gaps) >= 4 else 0.0
    return usual if usual > _TRACKED * height else 0.0


def _usual_space(letters: Sequence[Letter]) -> float:
    """The median gap between words with a space between them; infinite where there is none."""
    gaps = sorted(
        right.left - left.right
        for left, space, right in zip(letters, letters[1:], letters[2:], strict=False)
        if space.text == " " not in (left.text, right.text)
    )
    return gaps[len(gaps) // 2] if gaps else math.inf


def _from_right(pieces: Sequence[Letter]) -> list[Letter]:
    """The order of reading of a line that runs from right to left."""
    order = logical([piece.text for piece in pieces])
    read: list[Letter] = []
    for place, at in enumerate(order):
        piece = pieces[at]
        if read and _is_other_script(read[-1].text, piece.text):
            read.append(piece._replace(text=" "))
        runs_on = (place and order[place - 1] == at - 1) or (place + 1 < len(order) and order[place + 1] == at + 1)
        read.append(piece if runs_on else piece._replace(text=mirrored(piece.text)))
    return read


def _is_other_script(left: str, right: str) -> bool:
    """Whether a word to the right meets one to the left: writers put the space between them at the wrong end."""
    kinds = {unicodedata.bidirectional(left[-1]), unicodedata.bidirectional(right[0])}
    return "L" in kinds and bool(kinds & {"R", "AL"}) and _TATWEEL not in (left[-1], right[0])


def font_of(pieces: Iterable[Letter]) -> str:
    """The font of most letters."""
    found = [piece.font for piece in pieces if piece.text != " "]
    if len(set(found)) == 1:
        return found[0]
    fonts = Counter(found)
    return fonts.most_common(1)[0][0] if fonts else ""
