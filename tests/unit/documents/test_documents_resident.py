"""Memory of a worker; each in a process of its own, as what it starts with is what it keeps."""

from __future__ import annotations

import subprocess
import sys

RESIDENT = """
import gc
from services.documents.backends.resident import Resident, resident_bytes

class Node: pass

def leave_trees(number):
    for _ in range(number):
        parent, child = Node(), Node()
        parent.child, child.parent, child.text = child, parent, bytes(1000)

gc.disable()
resident = Resident()
before = resident_bytes()
"""


def printed(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", RESIDENT + code], capture_output=True, text=True, check=True, timeout=50
    ).stdout.strip()


def test_trees_that_files_left_are_given_back_once_they_are_much() -> None:
    grown = printed(
        "leave_trees(50_000)\nassert resident_bytes() - before > 50 * 2**20\n"
        "held = resident.settle()\nprint(held - before, held - resident_bytes())"
    )

    more, wrong = map(int, grown.split())
    assert more < 8 * 2**20
    assert wrong == 0


def test_a_little_stays_until_it_is_much() -> None:
    collections = printed(
        "before = gc.get_stats()[2]['collections']\n"
        "for _ in range(40): leave_trees(500); resident.settle()\n"
        "print(gc.get_stats()[2]['collections'] - before)"
    )

    assert collections == "1"  # 40 * 500 trees of 1.3 KB are 26 MB


def test_what_was_there_before_is_in_no_collection() -> None:
    assert printed("print(gc.get_freeze_count() > 1_000, len(gc.get_objects()) < 1_000)") == "True True"
