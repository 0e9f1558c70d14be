from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from services.models.batching.cache import ResultCache


def vector(value: float, size: int = 100) -> np.ndarray:
    return np.full(size, value, dtype=np.float32)


def test_what_is_kept_is_found_again() -> None:
    cache = ResultCache(10_000)
    cache.put(b"a", vector(1))

    found = cache.get(b"a")
    assert found is not None
    assert found.tolist() == vector(1).tolist()
    assert cache.get(b"b") is None


def test_memory_stays_bounded_and_the_least_recently_used_goes_first() -> None:
    cache = ResultCache(2000)
    for name in (b"a", b"b", b"c"):
        cache.put(name, vector(1))
    cache.get(b"a")

    cache.put(b"d", vector(1))

    assert cache.get(b"b") is None
    assert all(cache.get(name) is not None for name in (b"a", b"c", b"d"))
    assert cache.bytes <= 2000
    assert cache.evictions == 1


def test_what_is_kept_is_a_copy_that_nobody_changes() -> None:
    batch = np.ones((1000, 100), dtype=np.float32)
    cache = ResultCache(10_000)
    cache.put(b"a", batch[3])
    batch[3] = 7

    found = cache.get(b"a")
    assert found is not None
    assert found[0] == 1
    assert found.base is None, "a view would keep the whole batch alive"
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 2


def test_single_numbers_are_kept_too() -> None:
    cache = ResultCache(10_000)
    cache.put(b"a", np.float32(2.5))

    assert cache.get(b"a") == np.float32(2.5)
    assert 0 < cache.bytes < 1000


def test_the_accounted_bytes_cover_what_python_uses() -> None:
    cache = ResultCache(10**9)
    cache.put(b"x" * 32, vector(1, 384))

    held = sys.getsizeof(b"x" * 32) + sys.getsizeof(cache.get(b"x" * 32)) + 100
    assert cache.bytes >= held * 0.9


def test_no_memory_keeps_nothing() -> None:
    cache = ResultCache(0)
    cache.put(b"a", vector(1))

    assert (cache.get(b"a"), cache.bytes, len(cache)) == (None, 0, 0)


def test_a_result_put_again_counts_once() -> None:
    cache = ResultCache(10_000)
    cache.put(b"a", vector(1))
    once = cache.bytes

    cache.put(b"a", vector(2))

    assert cache.bytes == once
    found = cache.get(b"a")
    assert found is not None
    assert found[0] == 2


def test_the_results_of_one_model_can_be_forgotten() -> None:
    cache = ResultCache(10_000)
    for name in (b"1a", b"1b", b"2a"):
        cache.put(name, vector(1))

    cache.drop_prefix(b"1")

    assert (cache.get(b"1a"), cache.get(b"1b")) == (None, None)
    assert cache.get(b"2a") is not None


def test_threads_at_once_leave_the_books_right() -> None:
    cache = ResultCache(5000)

    def use(number: int) -> None:
        cache.put(b"%d" % (number % 30), vector(number))
        cache.get(b"%d" % (number % 17))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(5000)))

    assert cache.bytes == sum(vector(0).nbytes + 240 for _ in range(len(cache)))
