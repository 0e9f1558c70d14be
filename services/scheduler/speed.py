"""How fast a model is: the time of a batch, `a * tokens + b * items + c`, and what follows from it.

Least squares with exponential forgetting (recursive least squares, Haykin, Adaptive Filter Theory, ch. 9), coefficients
not negative. BentoML's dispatcher learns such a line of items; tokens predict far better.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.scheduler.packing import Limits
from services.scheduler.policy import Policy

_PULL = 1e-3
"""How strongly a solution is held where it was: it decides what equal batches leave open, and moves nothing else."""
_SUBSETS = [list(kept) for number in (3, 2, 1) for kept in itertools.combinations(range(3), number)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What is known of a model. Unit: seconds."""

    per_token: float = 0.0
    per_item: float = 0.0
    per_batch: float = 0.0
    tokens_per_item: float = 0.0
    """Mean length of items, padding included."""

    def seconds(self, *, tokens: float, items: float, batches: float = 1.0) -> float:
        """Time of so much work, one batch after the other; 0 before anything was learned."""
        return self.per_token * tokens + self.per_item * items + self.per_batch * batches

    def seconds_of(self, tokens: float, *, batch: float) -> float:
        """Time of so many tokens of usual items in batches of a size. Unit of both: tokens."""
        items = tokens / self.tokens_per_item if self.tokens_per_item else 0.0
        return self.seconds(tokens=tokens, items=items, batches=max(1.0, tokens / batch))

    @property
    def overhead_tokens(self) -> float:
        """Tokens that take as long as what a batch takes however small it is: 0.6 ms at 100 us a token are 6."""
        return self.per_batch / self.per_token if self.per_token > 0 else 0.0

    def tokens_in(self, seconds: float) -> float:
        """Tokens of one batch that takes so long; infinite before anything was learned."""
        return max(0.0, seconds - self.per_batch) / self.per_token if self.per_token > 0 else float("inf")

    def limits(self, policy: Policy, *, longest_s: float, most: int) -> Limits:
        """How large batches should be.

        With 6 tokens of overhead and 100 us a token: 6 / 0.01 = 600 tokens, of which 0.1 s has 994 and 25 ms 244, so
        that one client's batches have 600 and those of several 244; others' tasks fill one up to 6 / 0.10 = 60, or 64.

        Args:
            policy: the tuned numbers.
            longest_s: longest batch, where the fixed cost allows it.
            most: no batch is larger. Unit: tokens.
        """
        least = max(policy.least_tokens, self.overhead_tokens / policy.fill_overhead)
        own = max(least, min(self.overhead_tokens / policy.overhead, self.tokens_in(longest_s)))
        return Limits(
            own=round(min(most, own)),
            fill=round(min(most, least)),
            padding=policy.padding_overhead * self.overhead_tokens,
        )


class SpeedModel:
    """Learns from batches. Not thread-safe.

    Args:
        policy: the tuned numbers.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._products = np.zeros((3, 3))
        self._targets = np.zeros(3)
        self._solution = np.zeros(3)
        self._tokens_per_item = 0.0
        self._new: list[tuple[float, float, float, float]] = []
        self._observations = 0
        self.speed = Speed()

    def observe(self, *, tokens: int, items: int, seconds: float) -> Speed | None:
        """Learn from one batch, computed while all replicas were in use or as if they were.

        Args:
            tokens: computed tokens, padding included.
            items: inputs in the batch.
            seconds: what it took.

        Returns:
            What is known now; None where that is not worked out yet.
        """
        is_settled = self._observations >= self._policy.settled
        most_s = self._policy.most_surprise * self.speed.seconds(tokens=tokens, items=items)
        is_surprise = seconds > most_s
        if is_settled:
            seconds = min(seconds, most_s)
        self._new.append((tokens, items, 1.0, seconds))
        self._observations += 1
        # A surprise is learned from at once: after a night of short texts only their noise tells how long a large batch
        # takes, and the next seven would be as much too long.
        if is_settled and not is_surprise and len(self._new) < self._policy.solve_every:
            return None
        for *row, taken_s in self._new:
            self._add(np.array(row), taken_s)
        self._solution = self._solve(is_first=self._observations == len(self._new))
        self._new.clear()
        per_token, per_item, per_batch = self._solution.tolist()
        self.speed = Speed(
            per_token=per_token, per_item=per_item, per_batch=per_batch, tokens_per_item=self._tokens_per_item
        )
        return self.speed

    def _add(self, row: npt.NDArray[np.float64], seconds: float) -> None:
        keep = self._policy.forget
        # What counts is the error for each token: else one batch of 8,192 tokens would weigh as much as 16,384 of 64,
        # and a model that was slow when it was warmed up would be taken for slow as long as batches are small.
        scaled, target = row / row[0], seconds / row[0]
        self._products = keep * self._products + np.outer(scaled, scaled)
        self._targets = keep * self._targets + scaled * target
        mean = float(row[0] / row[1])
        # The mean of about as many batches: 0.98 x 40 + 0.02 x 90 = 41 tokens.
        self._tokens_per_item = keep * self._tokens_per_item + (1 - keep) * mean if self._tokens_per_item else mean

    def _solve(self, *, is_first: bool) -> npt.NDArray[np.float64]:
        """The best solution without negative coefficients: of all subsets, as there are only three to choose from."""
        pull = (1e-9 if is_first else _PULL) * np.diag(self._products)
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
