"""Models without a server: sentence-transformers' own loops and Isolane's bare backend, each in a process of its own.

A process of its own, because threads, allocators and other models in the same process would change what is measured.
While it waits for its next task it takes no processor time.
"""

from __future__ import annotations

import importlib
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.machine import cores
from bench.texts import MODEL_SOURCE
from services.embedding.backends.base import InputType
from services.embedding.settings import EmbeddingSettings
from services.models.models import locate

Task = Callable[..., Any]
_BATCH = 32
_START_LIMIT_S, _END_LIMIT_S = 120.0, 20.0


@contextmanager
def worker(load: Callable[..., Task], *arguments: Any) -> Iterator[Task]:
    """The task that `load(*arguments)` gives, in a process of its own; it is loaded there before the body runs.

    Args:
        load: a function of a module, for it is imported there.
        arguments: of `load`.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, load, arguments), daemon=True)
    process.start()
    theirs.close()

    def call(*task_arguments: Any) -> Any:
        ours.send(task_arguments)
        return ours.recv()

    try:
        if not ours.poll(_START_LIMIT_S):
            raise SystemExit(f"{load.__name__}: not loaded within {_START_LIMIT_S:g} s")
        ours.recv()
        yield call
    except EOFError as exc:
        raise SystemExit(f"{load.__name__}: its process ended; the reason is above") from exc
    finally:
        ours.close()  # it waits for a task, and ends when none can come
        process.join(_END_LIMIT_S)
        if process.is_alive():
            process.kill()
            process.join()


def sentence_transformers_loop() -> Task:
    """`(texts) -> (seconds, vectors)`: SentenceTransformer.encode, which sorts by length itself, in batches of 32."""
    _set_threads()
    module = importlib.import_module("sentence_transformers")
    model = module.SentenceTransformer(str(locate(MODEL_SOURCE)), device="cpu", local_files_only=True)
    model.encode(["warm up"], batch_size=_BATCH, show_progress_bar=False)

    def encode(texts: Sequence[str]) -> tuple[float, npt.NDArray[np.float32]]:
        started_s = time.perf_counter()
        vectors = model.encode(list(texts), batch_size=_BATCH, show_progress_bar=False)
        return time.perf_counter() - started_s, np.asarray(vectors, dtype=np.float32)

    return encode


def cross_encoder_loop(folder: str) -> Task:
    """`(query, passages) -> (seconds, scores)`: CrossEncoder.predict with the model of a folder."""
    _set_threads()
    module = importlib.import_module("sentence_transformers")
    model = module.CrossEncoder(folder, device="cpu", local_files_only=True)
    model.predict([("warm", "up")], show_progress_bar=False)

    def predict(query: str, passages: Sequence[str]) -> tuple[float, npt.NDArray[np.float32]]:
        started_s = time.perf_counter()
        scores = model.predict([(query, text) for text in passages], batch_size=_BATCH, show_progress_bar=False)
        return time.perf_counter() - started_s, np.asarray(scores, dtype=np.float32)

    return predict


def isolane_forward() -> Task:
    """`(texts) -> seconds of each`: forward passes of Isolane's own backend, one text at a time, nothing else."""
    task = importlib.import_module("services.embedding.app").TASK
    settings = EmbeddingSettings.load()
    backend = task.load(settings, settings.models[0])

    def forward(texts: Sequence[str]) -> list[float]:
        taken = []
        for text in texts:
            prepared = backend.prepare(backend.tokenize([text], InputType.PLAIN))
            started_s = time.perf_counter()
            backend.compute(prepared, alone=True)
            taken.append(time.perf_counter() - started_s)
        return taken

    forward(["warm up"] * 3)
    return forward


def _set_threads() -> None:
    torch = importlib.import_module("torch")
    torch.set_num_threads(cores())


def _serve(pipe: Connection, load: Callable[..., Task], arguments: Sequence[Any]) -> None:
    task = load(*arguments)
    pipe.send(None)
    while True:
        try:
            received = pipe.recv()
        except EOFError:
            return
        pipe.send(task(*received))
