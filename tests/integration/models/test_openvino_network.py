"""OpenVINO's side of a model: closed, and used by two threads at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from services.models.backends.openvino.graph.build import build_bi_encoder
from services.models.backends.openvino.network import OpenVinoNetwork
from services.models.models import Tokens
from tests.contract import tiny_models

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first one imports torch and OpenVINO


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make_bi_encoder(tmp_path_factory.mktemp("tiny"))


@pytest.mark.timeout(60)
def test_who_computes_with_a_closed_model_does_not_wait_for_ever(folder: Path) -> None:
    built = build_bi_encoder("tiny", folder, int8=False)
    network = OpenVinoNetwork(built.model, facts=built.facts, dtype="float32", threads=1, replicas=1)
    network.close()

    for _ in range(2):
        with pytest.raises(RuntimeError, match="the model was closed"):
            network.compute(network.prepare([Tokens(ids=(101, 7, 102))]), alone=True)


def test_weights_that_are_not_finite_are_told_before_anything_is_served(tmp_path: Path) -> None:
    damaged = tiny_models.make_bi_encoder(tmp_path / "damaged")
    weights = load_file(damaged / "model.safetensors")
    weights["encoder.layer.0.output.LayerNorm.bias"][3] = np.nan
    save_file(weights, damaged / "model.safetensors")
    built = build_bi_encoder("tiny", damaged, int8=False)

    with pytest.raises(RuntimeError, match="it gives no finite numbers"):
        OpenVinoNetwork(built.model, facts=built.facts, dtype="float32", threads=1, replicas=1)


FIRST_BATCHES = """
import builtins, sys, threading, time
from pathlib import Path
from services.models.backends.openvino.graph.build import build_bi_encoder
from services.models.backends.openvino.network import OpenVinoNetwork
from services.models.models import Tokens

built = build_bi_encoder("tiny", Path(sys.argv[1]), int8=False)
network = OpenVinoNetwork(built.model, facts=built.facts, dtype="float32", threads=2, replicas=2)
prepared = network.prepare([Tokens(ids=(101, 7, 102))] * 20)
quick = builtins.__import__

def slow(*arguments, **more):
    time.sleep(0.2)
    return quick(*arguments, **more)

builtins.__import__ = slow
threads = [threading.Thread(target=network.compute, args=(prepared,), kwargs={"alone": False}) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
"""The binding imports numpy while it holds the lock of its table of types: slowly here, so that both threads meet."""


def test_the_first_two_batches_of_a_process_may_come_at_once(folder: Path) -> None:
    """OpenVINO's binding locks up for ever when it is first used by two threads at once."""
    done = subprocess.run([sys.executable, "-c", FIRST_BATCHES, str(folder)], timeout=60, check=False)

    assert done.returncode == 0
