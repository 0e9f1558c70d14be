"""Runs a system over the samples of a format."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.loss.constructs import FORMS, Format, Sample, samples
from bench.loss.counting import Count, Counts, count
from bench.loss.systems import Read
from services.documents.backends.base import Include, Output


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a system made of all samples of a format."""

    plain: Counts = field(default_factory=dict)
    """Where nothing was asked for beside the text."""
    asked: dict[Include, Counts] = field(default_factory=dict)
    """The words of each value of `include` where it was asked for."""
    refused: list[str] = field(default_factory=list)
    """Files that gave no answer, and why. Their words count as lost."""
    seconds: float = 0.0
    """Time of the first parse of each file, all forms included."""

    def all_counts(self) -> Iterable[Count]:
        """Every count there is."""
        yield from self.plain.values()
        for counts in self.asked.values():
            yield from counts.values()

    def faults(self) -> list[str]:
        """A line for each construct and form that is not right."""
        places = [(None, self.plain), *self.asked.items()]
        found = [(*key, count, include) for include, counts in places for key, count in counts.items()]
        return [
            *dict.fromkeys(self.refused),
            *(_line(*item) for item in found if not (item[2].is_right or item[2].is_refused)),
        ]


def measure(format_: Format, read: Read, *, each: bool = False, asked: Sequence[Include] = tuple(Include)) -> Reading:
    """Parse the samples of a format.

    Args:
        format_: the format.
        read: the system.
        each: a file for every construct.
        asked: values of `include` to ask for, one at a time, where a sample has words for them.
    """
    reading = Reading()
    for sample in samples(format_, each=each or _refuses_together(format_, read)):
        _merge(reading.plain, _counted(sample, read, None, reading))
        offered = {word.include for word in sample.words}
        for include in asked:
            if include in offered:
                counts = _counted(sample, read, include, reading)
                _forget_leaks(counts, reading.plain)
                _merge(reading.asked.setdefault(include, {}), counts)
    return reading


def _refuses_together(format_: Format, read: Read) -> bool:
    """True when no answer comes for the file of all constructs: then each is asked about alone."""
    try:
        read(samples(format_)[0], None)
    except Exception:  # noqa: BLE001 - told about in the files of the constructs
        return True
    return False


def _counted(sample: Sample, read: Read, include: Include | None, reading: Reading) -> Counts:
    started_s = time.perf_counter()
    try:
        answer = read(sample, include)
    except Exception as exc:  # noqa: BLE001 - a system that fails is a result
        names = ", ".join(piece.construct.name for piece in sample.pieces[:3])
        reading.refused.append(f"{sample.format.name}: the file with {names} is refused: {exc!r}"[:300])
        return _all_lost(sample, include)
    if include is None:
        reading.seconds += time.perf_counter() - started_s
    return count(sample, answer, include)


def _all_lost(sample: Sample, include: Include | None) -> Counts:
    counts: Counts = {}
    for piece in sample.pieces:
        words = [word.text for word in piece.words if not word.is_off and word.include is include]
        for form in FORMS:
            if form in piece.construct.forms:
                counts[piece.construct.name, form] = Count(expected=len(words), lost=list(words), is_refused=True)
    return counts


def _forget_leaks(counts: Counts, known: Counts) -> None:
    """Take out what leaks whatever is asked for: it is told once."""
    for key, found in counts.items():
        if key in known:
            found.leaked = [leak for leak in found.leaked if leak not in known[key].leaked]


def _merge(into: Counts, counts: Counts) -> None:
    """Counts of another file; only leaks of the whole file can be there already."""
    for key, found in counts.items():
        if key in into:
            into[key].leaked += found.leaked
        else:
            into[key] = found


def _line(construct: str, form: Output, found: Count, include: Include | None) -> str:
    asked = f", include={include}" if include else ""
    return f"{construct} [{form}{asked}]: {found}"
