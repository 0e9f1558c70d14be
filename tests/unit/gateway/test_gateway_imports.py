"""The gateway stays light: what it must never import, it can do without."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "sentence_transformers", "transformers", "docling", "docling_core", "pynvml", "numpy")

PROGRAM = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ModuleNotFoundError(name + " is blocked", name=name)

sys.meta_path.insert(0, Blocked())
from gateway.app import build
from gateway.settings import GatewaySettings
import gateway.server
build(GatewaySettings(discovery={discovery!r}))
print([name for name in {heavy!r} + {unneeded!r} if name in sys.modules])
"""

UNNEEDED = ("polyfactory", "pydantic.v1", "opentelemetry.exporter.otlp", "httpx", "jinja2", "uvloop")
"""Not forbidden, but they would cost start-up time and memory for nothing."""


@pytest.mark.parametrize("discovery", ["static", "consul"])
def test_gateway_builds_without_any_heavy_library(discovery: str) -> None:
    unneeded = tuple(name for name in UNNEEDED if (discovery, name) != ("consul", "httpx"))
    program = PROGRAM.format(heavy=HEAVY, unneeded=unneeded, discovery=discovery)

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
