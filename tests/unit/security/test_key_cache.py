from __future__ import annotations

from dissonance.security.key_cache import KeyCache

TASK, OTHER = "ab" * 16, "cd" * 16


def test_key_is_kept_for_its_lifetime_and_no_longer() -> None:
    cache = KeyCache(lifetime_us=100)
    cache.put(TASK, {b"a": b"A"}, now_us=1_000)
    assert cache.take(TASK, [b"a", b"b", b"b"], now_us=1_099) == ({b"a": b"A"}, [b"b"])
    assert cache.take(TASK, [b"a"], now_us=1_100) == ({}, [b"a"])
    assert cache.take(OTHER, [b"a"], now_us=1_000) == ({}, [b"a"])


def test_key_that_is_too_old_for_one_stays_for_another() -> None:
    cache = KeyCache(lifetime_us=100)
    cache.put(TASK, {b"a": b"A"}, now_us=0)
    assert cache.take(TASK, [b"a"], now_us=50, younger_than_us=50) == ({}, [b"a"])
    assert cache.take(TASK, [b"a"], now_us=50, younger_than_us=51) == ({b"a": b"A"}, [])
    assert cache.take(TASK, [b"a"], now_us=99) == ({b"a": b"A"}, [])


def test_keys_that_are_too_old_do_not_stay_in_memory_until_the_cache_is_full() -> None:
    cache = KeyCache(lifetime_us=100)
    cache.put(TASK, {b"a": b"A", b"b": b"B"}, now_us=0)
    cache.put(TASK, {b"c": b"C"}, now_us=60)
    assert len(cache) == 3
    cache.put(TASK, {b"d": b"D"}, now_us=100)
    assert len(cache) == 2
    cache.take(TASK, [b"c"], now_us=160)
    assert len(cache) == 1


def test_full_cache_lets_go_of_the_key_used_longest_ago() -> None:
    cache = KeyCache(size=2)
    cache.put(TASK, {b"a": b"A", b"b": b"B"}, now_us=0)
    cache.take(TASK, [b"a"], now_us=0)
    cache.put(TASK, {b"c": b"C"}, now_us=0)
    assert cache.take(TASK, [b"a", b"b", b"c"], now_us=0) == ({b"a": b"A", b"c": b"C"}, [b"b"])


def test_destroyed_keys_are_forgotten_at_once() -> None:
    cache = KeyCache()
    for task in (TASK, OTHER):
        cache.put(task, {b"a": b"A", b"b": b"B"}, now_us=0)
    cache.forget(TASK, [b"a", b"unknown"])
    assert cache.take(TASK, [b"a", b"b"], now_us=0) == ({b"b": b"B"}, [b"a"])
    cache.forget_task(TASK)
    assert cache.take(TASK, [b"b"], now_us=0) == ({}, [b"b"])
    assert cache.take(OTHER, [b"a", b"b"], now_us=0)[1] == []
