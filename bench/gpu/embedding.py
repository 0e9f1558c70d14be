"""Step: embedding tokens a second and the share of the card's peak, beside sentence-transformers' own `encode`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer

from bench.gpu import steps
from bench.gpu.architectures import BGE_BASE, BGE_LARGE, E5_BASE, FLOPS, MINILM_L6, Architecture, shrunk
from bench.gpu.batches import by_length, lognormal_lengths, random_items
from bench.gpu.steps import Options, Report
from bench.gpu.timing import seconds
from bench.gpu.weights import make
from bench.texts import Texts
from services.embedding.app import TASK
from services.embedding.backends.base import EmbeddingBackend, InputType
from services.embedding.settings import EmbeddingModelSettings, EmbeddingSettings
from services.models.models import Tokens

_MODELS, _MORE_MODELS = (BGE_BASE, MINILM_L6), (BGE_LARGE, E5_BASE)
"""Measured in every number type, and afterwards in bfloat16 alone."""
_LENGTHS = (32, 128, 512)
_BUDGETS = (8_192, 32_768)
"""Tokens of a batch: what the service takes by default, and more."""
_PEER_BATCHES = (32, 256)
"""Items of a batch of `encode`: its default, and more."""
_LEAST_COSINE = 0.99

Vectors = npt.NDArray[np.float32]


def measure(report: Report, options: Options) -> bool:
    """Every model in every number type, while there is time; False where its vectors are not those of `encode`."""
    report.fact("flops", FLOPS)
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
        """Ours, then the peer; False where their vectors differ."""
        folder = make(self.model, self.options.work, device=self.options.device)
        settings = EmbeddingSettings(backend="torch", device=self.options.device)
        served = EmbeddingModelSettings(id=self.model.name, source=f"path:{folder}", dtype=self.dtype)
        backend = TASK.load(settings, served)
        try:
            self._forward(backend)
            vectors = self._loop(backend)
        finally:
            backend.close()
        peer = SentenceTransformer(
            str(folder),
            device=self.options.device,
            local_files_only=True,
            model_kwargs={"dtype": getattr(torch, self.dtype)},
        )
        cosine = _least_cosine(vectors, self._peer(peer))
        self.report.fact(f"{self}: least cosine with encode", cosine)
        return cosine >= _LEAST_COSINE

    def _forward(self, backend: EmbeddingBackend) -> None:
        """The model alone: batches are tokens that were prepared before."""
        total = 256 if self.options.is_tiny else 2**16
        mixes = {f"{n} tokens": [n] * max(1, total // n) for n in _LENGTHS}
        mixes["lognormal"] = lognormal_lengths(4 if self.options.is_tiny else 700)
        for mix, lengths in mixes.items():
            items = random_items(lengths)
            for budget in _BUDGETS if mix == "lognormal" else _BUDGETS[-1:]:
                prepared = [backend.prepare([items[at] for at in places]) for places in by_length(items, budget=budget)]
                labels = {"system": "forward", "mix": mix, "budget": str(budget)}
                self._time(f"{mix} in {budget}", partial(_compute, backend, prepared), lengths, labels)

    def _loop(self, backend: EmbeddingBackend) -> Vectors:
        """From texts to vectors in one thread, as `encode` does it."""
        lengths = [len(tokens.ids) for tokens in _tokens(backend, self._texts)]
        for budget in _BUDGETS:
            labels = {"system": "isolane", "mix": "texts", "budget": str(budget)}
            self._time(f"texts, isolane {budget}", partial(_embed, backend, self._texts, budget), lengths, labels)
        return _embed(backend, self._texts, _BUDGETS[0])

    def _peer(self, peer: SentenceTransformer) -> Vectors:
        lengths = [len(ids) for ids in peer.tokenizer(self._texts, truncation=True)["input_ids"]]
        for size in _PEER_BATCHES:
            encode = partial(peer.encode, self._texts, batch_size=size, show_progress_bar=False)
            labels = {"system": "sentence-transformers", "mix": "texts", "batch": str(size)}
            self._time(f"texts, encode in {size}", encode, lengths, labels)
        return np.asarray(peer.encode(self._texts, show_progress_bar=False), dtype=np.float32)

    def _time(self, what: str, task: Callable[[], object], lengths: Sequence[int], labels: Mapping[str, str]) -> None:
        """Tokens a second, and the operations that they need of those that the card could do."""
        taken = seconds(task, turns=1 if self.options.is_tiny else 3, device=self.options.device)
        labels = {"model": self.model.name, "dtype": self.dtype, **labels}
        name = f"{self} {what}"
        self.report.figure(name, "tokens/s", [sum(lengths) / turn_s for turn_s in taken], **labels)
        if (peak := self.report.peak) is not None:
            share = 100 * self.model.flops(lengths) / (peak.of(self.dtype) * 1e12)
            self.report.figure(f"{name}: of the peak", "%", [share / turn_s for turn_s in taken], **labels)

    @property
    def _texts(self) -> list[str]:
        return Texts(seed=0).lognormal(6 if self.options.is_tiny else 512)


def _compute(backend: EmbeddingBackend, prepared: Sequence[Any]) -> list[Vectors]:
    return [backend.compute(each, alone=True) for each in prepared]


def _embed(backend: EmbeddingBackend, texts: Sequence[str], budget: int) -> Vectors:
    items = _tokens(backend, texts)
    batches = by_length(items, budget=budget)
    parts = _compute(backend, [backend.prepare([items[at] for at in places]) for places in batches])
    vectors: Vectors = np.concatenate(parts)[np.argsort(np.concatenate(batches))]
    return vectors


def _tokens(backend: EmbeddingBackend, texts: Sequence[str]) -> list[Tokens]:
    return [item for item in backend.tokenize(texts, InputType.PLAIN) if isinstance(item, Tokens)]


def _least_cosine(left: Vectors, right: Vectors) -> float:
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / lengths).min())


if __name__ == "__main__":
    steps.run("embedding", measure)
