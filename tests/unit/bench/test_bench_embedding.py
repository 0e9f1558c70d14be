from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import embedding
from bench.report import Figure


@pytest.mark.parametrize(("arguments", "count"), [([], 0), (["--mesh"], 1)])
def test_a_table_says_that_the_mesh_ran_beside_the_others(
    arguments: Sequence[str], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def calibrate() -> list[Figure]:
        return [Figure.of("calibration", "GFLOP/s", [1.0])]

    monkeypatch.setattr(embedding, "calibrate", calibrate)
    monkeypatch.setattr(embedding, "measure", lambda _options: [])

    embedding.main([*arguments, "--json", str(tmp_path / "figures.json")])

    notes = json.loads((tmp_path / "figures.json").read_text())["notes"]
    assert [note for note in notes if "mesh cannot be halted" in note] == notes
    assert len(notes) == count
