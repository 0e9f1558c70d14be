"""How tokens see each other: all but padding, perhaps only near ones, with rotations or a bias by distance."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from services.models.backends.openvino.graph.layers import Node, floats, integer, integers, op
from services.models.backends.openvino.graph.rotary import Rotary

_UNSEEN = -1e9
"""Added to a score makes its weight 0."""

_NEAR_BUCKETS, _FARTHEST = 32, 128


class Attention:
    """Attention of all layers over one batch.

    Args:
        mask: the graph's input, int64 of shape (items, tokens).
        heads: of attention.
        size: values of a head.
        bias: what is added to the scores by distance, shape (2 * positions - 1, heads), from the farthest token before
            to the farthest after; None for nothing.
        rotary: how positions turn queries and keys; None for not at all.
    """

    def __init__(
        self,
        mask: Node,
        *,
        heads: int,
        size: int,
        bias: npt.NDArray[np.float32] | None = None,
        rotary: Rotary | None = None,
    ) -> None:
        self._heads = heads
        self._size = size
        self._rotary = rotary
        self._tokens = op.gather(op.shape_of(mask), integer(1), integer(0))
        self.places = op.range(integer(0), self._tokens, integer(1), "i64")
        """Numbers of the tokens from 0, shape (tokens)."""
        is_text = op.convert(op.unsqueeze(mask, integers(1, 2)), "boolean")
        self._mask = is_text if bias is None else self._biased(is_text, bias)
        self._near_mask = self._near(rotary.window) if rotary else None
        self._turns: dict[float, tuple[Node, Node]] = {}

    def seen(self, query: Node, key: Node, value: Node, *, layer: int) -> Node:
        """What each token takes from the others.

        Args:
            query: shape (items, tokens, heads * size), as key and value.
            key: as query.
            value: as query.
            layer: number of the layer.
        """
        query, key, value = (self._split(one) for one in (query, key, value))
        mask = self._mask
        if self._rotary:
            turns = self._turned_by(self._rotary.thetas[layer])
            query, key = self._turned(query, turns), self._turned(key, turns)
            mask = self._near_mask if self._rotary.is_near[layer] else mask
        seen = op.scaled_dot_product_attention(query, key, value, mask)
        return op.reshape(
            op.transpose(seen, integers(0, 2, 1, 3)), integers(0, 0, self._heads * self._size), special_zero=True
        )

    def _split(self, x: Node) -> Node:
        """To shape (items, heads, tokens, size)."""
        return op.transpose(
            op.reshape(x, integers(0, 0, self._heads, self._size), special_zero=True), integers(0, 2, 1, 3)
        )

    def _distances(self) -> Node:
        """Of the token that is seen from the one that sees it, shape (tokens, tokens)."""
        return op.subtract(op.unsqueeze(self.places, integers(0)), op.unsqueeze(self.places, integers(1)))

    def _biased(self, is_text: Node, bias: npt.NDArray[np.float32]) -> Node:
        """Shape (items, heads, tokens, tokens)."""
        rows = op.add(self._distances(), integer(len(bias) // 2))
        values = op.transpose(op.gather(floats(bias), rows, integer(0)), integers(2, 0, 1))
        return op.select(is_text, op.unsqueeze(values, integers(0)), floats(_UNSEEN))

    def _near(self, window: int) -> Node:
        """Tokens no farther than `window`. Padding far from all text sees itself: nothing at all would give NaN."""
        distances = op.abs(self._distances())
        near = op.logical_and(self._mask, op.less_equal(distances, integer(window)))
        return op.logical_or(near, op.equal(distances, integer(0)))

    def _turned_by(self, theta: float) -> tuple[Node, Node]:
        """Cosines and sines of the positions' angles, shape (tokens, size)."""
        if theta not in self._turns:
            speeds = 1.0 / theta ** (np.arange(0, self._size, 2, dtype=np.float32) / self._size)
            places = op.unsqueeze(op.convert(self.places, "f32"), integers(1))
            angles = op.multiply(places, floats(np.concatenate([speeds, speeds])))
            self._turns[theta] = op.cos(angles), op.sin(angles)
        return self._turns[theta]

    @staticmethod
    def _turned(x: Node, turns: tuple[Node, Node]) -> Node:
        """Rotary position embedding (Su et al. 2021, arXiv 2104.09864), halves of a head as the two coordinates."""
        first, second = op.split(x, integer(-1), 2).outputs()
        swapped = op.concat([op.negative(second), first], -1)
        return op.add(op.multiply(x, turns[0]), op.multiply(swapped, turns[1]))


def bias_by_distance(table: npt.NDArray[np.float32], positions: int) -> npt.NDArray[np.float32]:
    """What each head adds for a distance, as T5 (Raffel et al. 2019, arXiv 1910.10683) and MPNet share it out.

    Distances below 8 have a row of the table each, longer ones share rows in steps of a logarithm up to 128; the
    first half of the rows is for tokens before, the second for those after.

    Args:
        table: shape (32, heads).
        positions: most tokens of a text.

    Returns:
        Shape (2 * positions - 1, heads), from the farthest token before to the farthest after.
    """
    after = np.arange(1 - positions, positions)
    side = _NEAR_BUCKETS // 2
    exact = side // 2
    far = np.abs(after)
    ratio = np.log(np.maximum(far, exact).astype(np.float32) / np.float32(exact))
    shared = exact + (ratio / np.float32(math.log(_FARTHEST / exact)) * np.float32(side - exact)).astype(np.int64)
    rows = np.where(far < exact, far, np.minimum(shared, side - 1))
    return table.take(rows + np.where(after > 0, side, 0), axis=0)
