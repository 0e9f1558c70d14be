"""Batches of tokens as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.models.models import Tokens

Arrays = dict[str, npt.NDArray[np.int64]]


def padded(batch: Sequence[Tokens], *, pad_id: int, has_types: bool) -> Arrays:
    """A model's inputs by name, int64 of shape (items, longest item), padded on the right.

    Args:
        batch: one item or more.
        pad_id: token that fills up.
        has_types: True for a model that takes `token_type_ids`.
    """
    shape = len(batch), max(len(tokens.ids) for tokens in batch)
    ids = np.full(shape, pad_id, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    types = np.zeros(shape, dtype=np.int64)
    for row, tokens in enumerate(batch):
        length = len(tokens.ids)
        ids[row, :length] = tokens.ids
        mask[row, :length] = 1
        if tokens.type_ids:
            types[row, :length] = tokens.type_ids
    arrays = {"input_ids": ids, "attention_mask": mask}
    return {**arrays, "token_type_ids": types} if has_types else arrays
