"""The scans: 30 pages, each of another face, size, layout and wear; the same seed makes the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.scans.prose import OTHER_LANGUAGES, paragraphs
from bench.scans.scanning import Wear, as_pdf, scanned
from bench.scans.typesetting import Style, typeset

COUNT = 30
_FACES = (
    ("Times-Roman", "Times-Bold"),
    ("Helvetica", "Helvetica-Bold"),
    ("Courier", "Courier-Bold"),
    ("Times-Italic", "Helvetica-Bold"),
    ("Helvetica", "Times-Bold"),
)
_SIZES = (9.0, 10.0, 11.0, 12.0, 14.0)
_DPIS = (150, 200, 300)
_WEARS = (
    Wear(),
    Wear(noise=12, quality=60),
    Wear(blur=0.8, paper=235, ink=40),
    Wear(specks=0.002, shade=0.3, noise=6, quality=50),
    Wear(is_bilevel=True, noise=20),
    Wear(blur=0.6, noise=10, paper=220, ink=60, quality=40),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A scan."""

    name: str
    pdf: bytes
    words: Sequence[str]
    """In reading order."""


def samples(seed: int) -> Iterator[Sample]:
    """Make them, one after the other."""
    random = np.random.default_rng(seed)
    languages = list(OTHER_LANGUAGES)
    for at in range(COUNT):
        style = _style(at)
        language = languages[at % len(languages)] if at % 5 == 4 else "English"  # every fifth page
        text = list(OTHER_LANGUAGES.get(language, paragraphs()))
        random.shuffle(text)
        wear = replace(
            _WEARS[at % len(_WEARS)], dpi=_DPIS[at // 2 % len(_DPIS)], lean=round(float(random.uniform(-3, 3)), 1)
        )
        heading = " ".join(text[-1].split()[:5]).strip(",.;:")
        sheet = typeset(heading, text, style)
        picture = scanned(sheet.drawn(wear.dpi), wear, random)
        yield Sample(name=_name(language, style, wear), pdf=as_pdf(picture, wear), words=sheet.words)


def _style(at: int) -> Style:
    face, heading_face = _FACES[at % len(_FACES)]
    style = Style(
        face=face,
        heading_face=heading_face,
        size=_SIZES[at // 3 % len(_SIZES)],
        columns=1 + (at % 3 == 1),
        is_justified=at % 4 != 3,
    )
    return replace(style, width=style.height, height=style.width, columns=2) if at % 7 == 6 else style


def _name(language: str, style: Style, wear: Wear) -> str:
    extras = {
        "landscape": style.width > style.height,
        "fax": wear.is_bilevel,
        "noise": wear.noise and not wear.is_bilevel,
        "blur": wear.blur,
        "specks": wear.specks,
    }
    kinds = [name for name, has in extras.items() if has]
    return f"{language}, {style.face} {style.size:g}, {style.columns} col., {wear.dpi} dpi, {wear.lean:+} deg" + (
        ", " + " ".join(kinds) if kinds else ""
    )
