"""How long a batch takes, learned from the batches before: `a * tokens + b * items + c`.

Least squares with exponential forgetting (recursive least squares, Haykin, Adaptive Filter Theory, ch. 9), coefficients
not negative. BentoML's dispatcher learns such a line of items; tokens predict far better.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_FORGET = 0.98
"""Weight that a batch keeps at each new one: about the last 50 count."""
_PULL = 0.02
"""How strongly the solution is held where it was; decides where equal batches leave it open."""
_MOST_SURPRISE = 3.0
"""What took longer than so many times its prediction counts no more: the machine stood still, the model is not slower.
A lasting change is still learned, within some dozens of batches."""
_SETTLED = 10
"""Batches before predictions are worth that."""
_SUBSETS = [list(kept) for number in (3, 2, 1) for kept in itertools.combinations(range(3), number)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """What the model has learned. Unit: seconds."""

    per_token: float
    per_item: float
    per_batch: float


class LatencyModel:
    """Learns and predicts. Not thread-safe."""

    def __init__(self) -> None:
        self._products = np.zeros((3, 3))
        self._targets = np.zeros(3)
        self._solution = np.zeros(3)
        self.observations = 0

    @property
    def coefficients(self) -> Coefficients:
        """Seconds for each token, item and batch."""
        token, item, batch = self._solution.tolist()
        return Coefficients(per_token=token, per_item=item, per_batch=batch)

    def observe(self, *, tokens: int, items: int, seconds: float) -> None:
        """Learn from one batch.

        Args:
            tokens: computed tokens, padding included.
            items: inputs in the batch.
            seconds: what it took.
        """
        row = np.array([tokens, items, 1.0])
        if self.observations >= _SETTLED:
            seconds = min(seconds, _MOST_SURPRISE * float(self._solution @ row))
        self._products = _FORGET * self._products + np.outer(row, row)
        self._targets = _FORGET * self._targets + row * seconds
        self._solution = self._solve()
        self.observations += 1

    def predict_s(self, *, tokens: float, items: float, batches: float = 1.0) -> float:
        """Seconds for so much work, one batch after the other; 0 before anything was learned."""
        return float(self._solution @ np.array([tokens, items, batches]))

    @property
    def overhead_tokens(self) -> float:
        """Tokens that take as long as what a batch takes however small it is; 0 before anything was learned."""
        known = self.coefficients
        return known.per_batch / known.per_token if known.per_token > 0 else 0.0

    def tokens_in(self, seconds: float) -> float:
        """Tokens of one batch that takes so long; infinite before anything was learned."""
        known = self.coefficients
        return max(0.0, seconds - known.per_batch) / known.per_token if known.per_token > 0 else float("inf")

    def _solve(self) -> npt.NDArray[np.float64]:
        """The best solution without negative coefficients: of all subsets, as there are only three to choose from."""
        pull = (_PULL if self.observations else 1e-9) * np.diag(self._products)
        products = self._products + np.diag(pull)
        targets = self._targets + pull * self._solution
        best, least = self._solution, float("inf")
        for kept in _SUBSETS:
            solution = np.zeros(3)
            solution[kept] = np.linalg.solve(products[np.ix_(kept, kept)], targets[kept])
            if solution.min() < 0:
                continue
            if len(kept) == 3:
                return solution  # the best of all
            error = float(solution @ products @ solution - 2 * solution @ targets)
            if error < least:
                best, least = solution, error
        return best
