"""What vegeta saw of each request, and the figures that follow from it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

OK = 200
NUMBER = "n"
"""Query parameter with a request's number: answers come in any order."""
LEAST_PER_CALLER = 4
"""Answers, or visits, of each caller on which a rate must rest; the usual turns give the slowest server twice that."""

_DURATION = re.compile(r"([\w-]+);dur=([\d.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request and its end. Moments are seconds since the epoch."""

    number: int
    """Which of the requests it was."""
    sequence: int
    """Its place in the order of sending."""
    status: int
    """HTTP status; 0 without an answer."""
    sent_s: float
    latency_s: float
    """From sending to the last byte."""
    headers: Mapping[str, str]
    """Of the answer, names in lower case."""
    error: str = ""

    @property
    def done_s(self) -> float:
        """When its last byte came."""
        return self.sent_s + self.latency_s

    @property
    def is_ok(self) -> bool:
        """True when it was answered as asked."""
        return self.status == OK

    @property
    def timings_s(self) -> dict[str, float]:
        """What the server says of its time: queue, tokenize, compute."""
        found = _DURATION.findall(self.headers.get("server-timing", ""))
        return {name: float(milliseconds) / 1e3 for name, milliseconds in found}


def parse(lines: Iterable[str]) -> list[Answer]:
    """Answers from vegeta's JSON lines, in the order of sending; one without a URL only says that targets ran out."""
    raw = (json.loads(line) for line in lines if line.strip())
    return sorted((_answer(one) for one in raw if one["url"]), key=lambda answer: answer.sequence)


def _answer(raw: Mapping[str, object]) -> Answer:
    headers = raw["headers"] if isinstance(raw["headers"], dict) else {}
    return Answer(
        number=int(parse_qs(urlsplit(str(raw["url"])).query)[NUMBER][0]),
        sequence=int(str(raw["seq"])),
        status=int(str(raw["code"])),
        sent_s=datetime.fromisoformat(str(raw["timestamp"])).timestamp(),
        latency_s=float(str(raw["latency"])) / 1e9,
        headers={name.lower(): values[0] for name, values in headers.items() if values},
        error=str(raw["error"]),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of the values do not exceed; nan without values."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def rate(answers: Sequence[Answer], worth: Callable[[Answer], float], *, callers: int) -> float:
    """What good answers were worth per second while all callers were busy.

    Counts from the moment when each caller has had one answer to the last answer before sending ended: a loop's start
    and end, when batches are smaller, say nothing of its steady state.

    Args:
        answers: of a closed loop.
        worth: of an answer, for example its tokens.
        callers: of the loop.
    """
    found = counted(answers, callers=callers)
    seconds = found[-1].done_s - _first_wave_s(answers, callers)
    return sum(worth(answer) for answer in found if answer.is_ok) / seconds


def counted(answers: Sequence[Answer], *, callers: int) -> list[Answer]:
    """The answers on which a rate rests, in the order of their ends.

    Raises:
        SystemExit: they are too few to say anything.
    """
    done = sorted(answers, key=lambda answer: answer.done_s)
    stop_s = max(answer.sent_s for answer in answers)
    found = [answer for answer in done[callers:] if answer.done_s <= stop_s]
    if len(found) < LEAST_PER_CALLER * callers:
        raise SystemExit(
            f"{len(found)} answers count, of {callers} callers: too few to measure, "
            f"at least {LEAST_PER_CALLER * callers} are needed; take longer turns"
        )
    return found


def require_good(answers: Sequence[Answer], where: str) -> None:
    """Pass answers of which all are good.

    Raises:
        SystemExit: one is not, and no figure of the others is right.
    """
    if failed := [answer for answer in answers if not answer.is_ok]:
        first = failed[0].error or failed[0].status
        raise SystemExit(f"{where}: {len(failed)} of {len(answers)} requests failed, the first with {first}")


def steady(answers: Sequence[Answer], *, callers: int) -> list[Answer]:
    """The good answers that were asked for after the first wave."""
    start_s = _first_wave_s(answers, callers)
    return [answer for answer in answers if answer.sent_s >= start_s and answer.is_ok]


def _first_wave_s(answers: Sequence[Answer], callers: int) -> float:
    """When each caller had had one answer."""
    return sorted(answer.done_s for answer in answers)[min(callers, len(answers)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How well an open loop kept to its rate: each request's intended moment, and how far behind it was sent."""

    rate: float
    """Intended. Unit: requests per second."""
    start_s: float
    answers: Sequence[Answer]
    """In the order of sending."""

    @classmethod
    def of(cls, answers: Sequence[Answer], wanted: float) -> Schedule:
        """The schedule of equal steps laid through the send that was least late."""
        start_s = min(answer.sent_s - answer.sequence / wanted for answer in answers)
        return cls(rate=wanted, start_s=start_s, answers=answers)

    def intended_s(self, answer: Answer) -> float:
        """When the request was to be sent."""
        return self.start_s + answer.sequence / self.rate

    @property
    def achieved(self) -> float:
        """Sends per second."""
        sent = [answer.sent_s for answer in self.answers]
        return (len(sent) - 1) / (max(sent) - min(sent)) if len(sent) > 1 else math.nan

    @property
    def lags_s(self) -> list[float]:
        """How far each send was behind its moment."""
        return [answer.sent_s - self.intended_s(answer) for answer in self.answers]

    def latency_s(self, answer: Answer) -> float:
        """From the intended moment to the end: what a caller who cannot wait for the generator sees."""
        return answer.done_s - self.intended_s(answer)
