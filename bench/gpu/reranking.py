"""Step: reranking pairs a second, beside `CrossEncoder.predict`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import CrossEncoder

from bench.gpu import steps
from bench.gpu.architectures import BGE_RERANKER, MS_MARCO, Architecture, shrunk
from bench.gpu.batches import by_length
from bench.gpu.steps import Options, Report
from bench.gpu.timing import seconds
from bench.gpu.weights import make
from bench.texts import Texts
from services.reranking.app import TASK
from services.reranking.backends.base import RerankingBackend
from services.reranking.settings import RerankingModelSettings, RerankingSettings

_MODELS, _MORE_MODELS = (MS_MARCO,), (BGE_RERANKER,)
"""Measured in every number type, and afterwards in bfloat16 alone."""
_BUDGETS = (8_192, 32_768)
_PEER_BATCHES = (32, 256)

_LARGEST_DIFFERENCE = 0.1
"""Between scores in half precision of two ways to batch; random weights give scores around 0."""

Scores = npt.NDArray[np.float32]
Query = tuple[str, Sequence[str]]
"""A query and its passages."""


def measure(report: Report, options: Options) -> bool:
    """Every model in every number type, while there is time; False where its scores are not those of `predict`."""
    models, more = ([shrunk(_MODELS[0])], []) if options.is_tiny else (_MODELS, _MORE_MODELS)
    wanted = [*product(options.dtypes, models), *product(("bfloat16",), more)]
    cases = [Case(report=report, options=options, model=model, dtype=dtype) for dtype, model in wanted]
    are_good = [case.measure() for case in cases if report.has_time(str(case))]
    return all(are_good)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A model in a number type."""

    report: Report
    options: Options
    model: Architecture
    dtype: str

    def __str__(self) -> str:
        return f"{self.model.name} {self.dtype}"

    def measure(self) -> bool:
        """Ours, then the peer; False where their scores differ."""
        folder = make(self.model, self.options.work, device=self.options.device)
        scores = self._ours(f"path:{folder}")
        peer = CrossEncoder(
            str(folder),
            device=self.options.device,
            local_files_only=True,
            model_kwargs={"dtype": getattr(torch, self.dtype)},
        )
        difference = float(np.abs(scores - self._peer(peer)).max())
        self.report.fact(f"{self}: largest difference of a score", difference)
        return difference <= _LARGEST_DIFFERENCE

    def _ours(self, source: str) -> Scores:
        """From texts to scores in one thread, as `predict` does it."""
        settings = RerankingSettings(backend="torch", device=self.options.device)
        served = RerankingModelSettings(id=self.model.name, source=source, dtype=self.dtype)
        backend = TASK.load(settings, served)
        try:
            for budget in _BUDGETS:
                labels = {"system": "isolane", "budget": str(budget)}
                self._time(f"isolane {budget}", partial(_rerank, backend, self._queries, budget), labels)
            return _rerank(backend, self._queries, _BUDGETS[0])
        finally:
            backend.close()

    def _peer(self, peer: CrossEncoder) -> Scores:
        pairs = [(query, passage) for query, passages in self._queries for passage in passages]
        predict = partial(peer.predict, pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)
        for size in _PEER_BATCHES:
            labels = {"system": "sentence-transformers", "batch": str(size)}
            self._time(f"predict in {size}", partial(predict, batch_size=size), labels)
        return np.asarray(predict(), dtype=np.float32)

    def _time(self, what: str, task: Callable[[], object], labels: Mapping[str, str]) -> None:
        pairs = sum(len(passages) for _, passages in self._queries)
        taken = seconds(task, turns=1 if self.options.is_tiny else 3, device=self.options.device)
        labels = {"model": self.model.name, "dtype": self.dtype, **labels}
        self.report.figure(f"{self}, {what}", "pairs/s", [pairs / turn_s for turn_s in taken], **labels)

    @property
    def _queries(self) -> list[Query]:
        texts = Texts(seed=0)
        count, passages = (2, 3) if self.options.is_tiny else (10, 50)
        return [(query, texts.passages(passages)) for query in texts.queries(count)]


def _rerank(backend: RerankingBackend, queries: Sequence[Query], budget: int) -> Scores:
    items = [
        pair
        for query, passages in queries
        for (pair,) in backend.tokenize(query, passages, max_document_tokens=0, max_passages=1)
    ]
    batches = by_length(items, budget=budget)
    parts = [backend.compute(backend.prepare([items[at] for at in places]), alone=True) for places in batches]
    scores: Scores = np.concatenate(parts)[np.argsort(np.concatenate(batches))]
    return scores


if __name__ == "__main__":
    steps.run("reranking", measure)
