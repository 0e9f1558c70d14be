"""Load on an HTTP endpoint: closed loops, where each caller waits for its answer, and open ones at a fixed rate.

Requests are all different. vegeta sends them, because a generator in Python would take the cores that it measures; only
what needs more than single requests, retrieval and callers that obey a refusal, is sent by `bench.callers`, in Python.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.answers import NUMBER, Answer, Schedule, parse

_TIMEOUT_S = 60
_SLACK_S = 120
_POLL_S = 0.05
_FIRST = ("nice", "-n", "-10")
"""Real callers are elsewhere: what is measured must not slow these. Only root may ask; else it changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One body to send."""

    body: bytes
    tokens: int
    """Real tokens of its texts or pairs."""
    texts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Callers that ask again as soon as they are answered."""

    callers: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """So many requests per second, whatever becomes of them."""

    rate: float
    duration_s: float

    @property
    def requests(self) -> int:
        """How many that makes."""
        return int(self.rate * self.duration_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of a load."""

    answers: Sequence[Answer]
    """In the order of sending."""
    cpu_s: float
    """Processor time of the generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """Sends loads with vegeta; its methods block and may be called on several threads at once."""

    program: Path

    def closed(self, target: Target, requests: Sequence[Request], load: Closed) -> Run:
        """Send requests in a closed loop until the time is over."""
        workers = ["-rate=0", f"-workers={load.callers}", f"-max-workers={load.callers}"]
        run = self._attack(target, requests, workers, load.duration_s)
        if len(run.answers) >= len(requests):
            raise SystemExit(f"{target.url}: {len(requests)} requests were too few for {load.duration_s:g} s")
        return run

    def open(self, target: Target, requests: Sequence[Request], load: Open) -> tuple[Run, Schedule]:
        """Send requests at a fixed rate; the schedule says how well that was kept."""
        # vegeta takes whole numbers only.
        rate = round(load.rate * 100)
        run = self._attack(target, requests, [f"-rate={rate}/100s", "-workers=64"], load.duration_s)
        return run, Schedule.of(run.answers, rate / 100)

    def _attack(self, target: Target, requests: Sequence[Request], pace: Sequence[str], duration_s: float) -> Run:
        with tempfile.TemporaryDirectory(prefix="isolane-bench-") as folder:
            targets, results, errors = (Path(folder, name) for name in ("targets", "results", "errors"))
            write_targets(targets, target, requests)
            # -max-body=0: what answers hold is read and thrown away.
            fixed = ["-lazy", "-format=json", "-http2=false", "-max-body=0", f"-timeout={_TIMEOUT_S}s"]
            files = [f"-targets={targets}", f"-output={results}"]
            command = [*_FIRST, str(self.program), "attack", *fixed, *pace, f"-duration={duration_s}s", *files]
            with errors.open("wb") as file:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=file)
            cpu_s = _wait(process, duration_s + _TIMEOUT_S + _SLACK_S)
            if process.returncode != 0:
                raise SystemExit(f"vegeta failed: {errors.read_text(encoding='utf-8').strip()}")
            encode = [str(self.program), "encode", "-to=json", str(results)]
            lines = subprocess.run(encode, check=True, capture_output=True, text=True).stdout.splitlines()
        if not (answers := parse(lines)):
            raise SystemExit(f"{target.url}: vegeta sent nothing; are there any requests?")
        return Run(answers=answers, cpu_s=cpu_s)


def write_targets(path: Path, target: Target, requests: Sequence[Request]) -> None:
    """Write requests as vegeta reads them: a JSON object a line."""
    headers = {name: [value] for name, value in {"Content-Type": "application/json", **target.headers}.items()}
    with path.open("w", encoding="ascii") as file:
        for number, request in enumerate(requests):
            body = base64.b64encode(request.body).decode()
            url = f"{target.url}?{NUMBER}={number}"
            file.write(json.dumps({"method": "POST", "url": url, "header": headers, "body": body}) + "\n")


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> float:
    """Wait for the end and return the processor time, which `Popen` does not tell; what does not end is killed."""
    end_s = time.monotonic() + limit_s
    try:
        while time.monotonic() < end_s:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return usage.ru_utime + usage.ru_stime
            time.sleep(_POLL_S)
        raise SystemExit(f"vegeta did not end within {limit_s:g} s")
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
