"""What the pages say exists: links, recipes, settings, metrics, code."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors.problems import HTTP_PROBLEM
from services.common.errors import GRPC_STATUS

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"\bISOLANE_[A-Z0-9_]*[A-Z0-9]\b")
METRIC = re.compile(r"\bisolane_[a-z0-9_]+\b")
RECIPE = re.compile(r"(?:^|`|\./|&& )just ([a-z][a-z-]*)", re.MULTILINE)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> Iterator[str]:
    return (body for kind, body in BLOCK.findall(text(page)) if kind == language)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=page_id)


@each_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target, anchor in LINK.findall(text(page)):
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(f"{target}#{anchor}" if anchor else target)

    assert broken == []


@each_page
def test_recipes_exist(page: Path) -> None:
    recipes = set(re.findall(r"^([a-z][a-z-]*)[^:=\n]*:(?!=)", text(ROOT / "justfile"), re.MULTILINE))

    assert set(RECIPE.findall(text(page))) - recipes == set()


@each_page
def test_settings_exist(page: Path) -> None:
    known = set(SETTING.findall(text(ROOT / "docs" / "configuration.md")))
    shared = set(re.findall(r"ISOLANE_<SERVICE>_(\w+)", text(ROOT / "docs" / "configuration.md")))

    unknown = {
        name
        for name in SETTING.findall(text(page))
        if name not in known and name.removeprefix("ISOLANE_").split("_", 1)[1] not in shared
    }

    assert unknown == set()


@each_page
def test_python_blocks_compile_and_data_blocks_parse(page: Path) -> None:
    for code in blocks(page, "python"):
        ast.parse(code)
    for code in blocks(page, "json"):
        json.loads(code)
    for code in blocks(page, "toml"):
        tomllib.loads(code)


@each_page
def test_shell_blocks_parse(page: Path) -> None:
    for code in blocks(page, "bash"):
        done = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
        assert done.stderr == ""


@pytest.mark.timeout(300)  # a process for each part
def test_every_metric_has_a_line_and_every_line_a_metric() -> None:
    parts = ["gateway", *(path.parent.name for path in ROOT.glob("services/*/__main__.py"))]
    command = [sys.executable, "tools/metrics.py"]
    printed = [
        subprocess.run([*command, part], cwd=ROOT, capture_output=True, text=True, check=True).stdout for part in parts
    ]

    made = {line.split("\t")[0] for output in printed for line in output.splitlines()}

    assert set(METRIC.findall(text(ROOT / "docs" / "observability.md"))) == made


def test_the_log_table_has_what_is_logged() -> None:
    table = text(ROOT / "docs" / "observability.md").split("## Metrics")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    events = {event for cell in cells for event in re.findall(r"`(\w+)`", cell)}
    code = "".join(text(path) for folder in ("gateway", "services") for path in (ROOT / folder).rglob("*.py"))

    assert {event for event in events if f'"{event}"' not in code} == set()
    assert set(re.findall(r'\blog\.\w+\(\s*"(\w+)"', code)) - events - {"event"} == set()


def test_every_error_has_its_true_row_and_every_row_an_error() -> None:
    cells = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in text(ROOT / "docs" / "errors.md").splitlines()
        if line.startswith("| `")
    ]

    wanted = {
        (cls.code, cls.__name__, GRPC_STATUS[cls].name if cls in GRPC_STATUS else "—", str(problem.status))
        for cls, problem in HTTP_PROBLEM.items()
    }

    assert {tuple(row[:4]) for row in cells} == wanted
    assert all(all(row) for row in cells)


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target).resolve() for target, _ in LINK.findall(text(index))}

    assert {page for page in (ROOT / "docs").rglob("*.md") if page != index} - linked == set()
