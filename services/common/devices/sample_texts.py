"""Varied texts to try a model on: paragraphs of the documentation of installed packages, cut to many lengths."""

from __future__ import annotations

import random
import re
from importlib import metadata

_EDGES = [
    "a",
    "?",
    "Ünïcödé, 日本語のテキスト, العربية, 🦆🦆",
    "x" * 500,
    '<p>Hello &amp; <b>good</b>bye</p> {"a": [1, 2]}',
]
"""What documentation lacks."""


def sample_texts(count: int, *, seed: int = 0) -> list[str]:
    """So many texts of 1 to 300 words, most of them short; the same for the same installation.

    Args:
        count: more than there are repeats them.
        seed: of the choice.
    """
    choices = random.Random(seed)  # noqa: S311 - not for secrets
    words = _words()
    texts = list(_EDGES)
    while len(texts) < count:
        length = min(300, max(1, round(choices.lognormvariate(3.9, 0.9))))
        start = choices.randrange(max(1, len(words) - length))
        texts.append(" ".join(words[start : start + length]))
    return texts[:count]


def _words() -> list[str]:
    """All words of the descriptions of all installed distributions, in the order of their names."""
    found = {str(one.metadata["Name"]).lower(): one.read_text("METADATA") or "" for one in metadata.distributions()}
    texts = [text.partition("\n\n")[2] for _, text in sorted(found.items())]
    return [word for text in texts for word in re.sub(r"https?://\S+", " ", text).split()]
