from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from bench import inprocess


def test_loops_in_process_have_as_many_threads_as_servers_have_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    model = SimpleNamespace(encode=lambda _texts, **_options: [])
    modules = {
        "torch": SimpleNamespace(set_num_threads=threads.append),
        "sentence_transformers": SimpleNamespace(SentenceTransformer=lambda *_source, **_options: model),
    }
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)))
    monkeypatch.setattr("bench.inprocess.importlib.import_module", modules.__getitem__)

    inprocess.sentence_transformers_loop()

    assert threads == [16]
