"""`just export`: conversions that were compared with torch, or a clear failure and nothing kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from services.common.devices.openvino_network import OpenVinoNetwork
from services.common.devices.sample_texts import sample_texts
from services.embedding.backends import export as embedding
from services.embedding.backends import loading
from services.embedding.settings import EmbeddingSettings
from services.reranking.backends import export as reranking
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO

Command = Callable[[Sequence[str]], int]


@pytest.fixture(autouse=True)
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLANE_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models" / "openvino"


@pytest.fixture(params=["embedding", "reranking"])
def command(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The export of one service, whose settings name a tiny model."""
    is_embedding = request.param == "embedding"
    folder = tmp_path / "model"
    tiny_models.make_bi_encoder(folder) if is_embedding else tiny_models.make_cross_encoder(folder)
    models = json.dumps([{"id": "tiny", "source": f"path:{folder}"}])
    monkeypatch.setenv(f"ISOLANE_{request.param.upper()}_MODELS", models)
    return embedding.main if is_embedding else reranking.main


def test_each_number_type_is_kept_and_its_loss_is_printed(
    command: Command, models_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = command(["--dtype", "float32", "--dtype", "int8"])

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert [line.split(": ")[1] for line in lines] == ["tiny float32", "tiny int8"]
    assert all("torch float32" in line for line in lines)
    assert [Path(line.rpartition("; in ")[2]).is_dir() for line in lines] == [True, True]
    assert sorted(path.name.rpartition("-")[2] for path in models_dir.iterdir()) == ["float32", "int8"]


def test_a_float32_that_is_not_torchs_fails_and_is_not_kept(
    command: Command, models_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = OpenVinoNetwork.compute

    def wrong(self: OpenVinoNetwork, prepared: Any, *, alone: bool) -> npt.NDArray[np.float32]:
        results = right(self, prepared, alone=alone)
        results[:, 0] += 0.1
        return results

    monkeypatch.setattr(OpenVinoNetwork, "compute", wrong)

    status = command(["--dtype", "float32"])

    assert status == 1
    assert "model tiny: OpenVINO's float32 is not torch's" in capsys.readouterr().err
    assert not models_dir.exists()


def test_the_service_takes_what_was_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_models.make_bi_encoder(tmp_path / "model")
    models = [{"id": "tiny", "source": f"path:{folder}"}]
    monkeypatch.setenv("ISOLANE_EMBEDDING_MODELS", json.dumps(models))
    embedding.main(["--dtype", "float32"])
    monkeypatch.setattr(
        "services.common.devices.openvino_loading.convert_and_keep", lambda *_: pytest.fail("it was converted again")
    )

    settings = EmbeddingSettings.load()
    backend = loading.load(settings.model_copy(update={"backend": "openvino"}), settings.models[0])

    assert backend.model.backend == "openvino"


def test_a_model_that_is_missing_fails_with_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ISOLANE_RERANKING_MODELS", json.dumps([{"id": "mine", "source": f"path:{tmp_path}"}]))

    assert reranking.main([]) == 1
    assert "no model there" in capsys.readouterr().err


def test_vectors_are_compared_by_their_worst_cosine() -> None:
    expected = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)

    same = embedding.compare(expected, 3 * expected)
    close = embedding.compare(expected, np.array([[1.0, 0.02], [0.0, 2.0]], dtype=np.float32))

    assert (same.is_equal, close.is_equal) == (True, False)
    assert close.text.endswith("0.99990 in the mean, 0.99980 at least")


def test_scores_are_compared_by_their_greatest_difference_and_their_order() -> None:
    expected = np.array([[1.0], [2.0], [3.0], [4.0]], dtype=np.float32)

    same = reranking.compare(expected, expected + 0.0005)
    other_order = reranking.compare(expected, expected[[1, 0, 2, 3]])

    assert (same.is_equal, other_order.is_equal) == (True, False)
    assert "0.50000 in the mean, 1.00000 at most; rank correlation 0.80000" in other_order.text


def test_samples_are_varied_and_the_same_each_time() -> None:
    texts = sample_texts(200)

    words = sorted(len(text.split()) for text in texts)
    assert texts == sample_texts(200)
    assert sample_texts(200, seed=1)[-1] != texts[-1]
    assert len(set(texts)) > 190
    assert (words[0], words[-1] <= 300, words[150] > 2 * words[50]) == (1, True, True)
