"""Clients, people and the codes of logins: kept, and seen by every replica; a code is the first's who comes with it."""

from __future__ import annotations

import asyncio

import msgspec

from dissonance.ports.logins import TakenCode
from dissonance.ports.store import Store
from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import LoginCode, Person
from support.store import StoreCase


def client(case: StoreCase, created_at_us: int = 5) -> OAuthClient:
    return OAuthClient(
        client_id=f"batch.{case.make.randomness.token(4).hex()}",
        digest=case.make.randomness.token(32),
        grants=("client", "viewer"),
        tasks=("*",),
        redirects=("https://grafana.example.org/back",),
        created_at_us=created_at_us,
        expires_at_us=created_at_us + 1,
        by="root",
    )


def person(case: StoreCase, name: str = "") -> Person:
    return Person(
        name=name or f"ada{case.make.randomness.token(6).hex()}",
        password="$argon2id$",
        grants=("viewer",),
        tasks=("toy", "census"),
        created_at_us=5,
        by="root",
    )


def code(case: StoreCase, name: str, expires_at_us: int = 100) -> LoginCode:
    return LoginCode(
        digest=case.make.randomness.token(32),
        client_id="dissonance-command-line",
        redirect="http://127.0.0.1:40123/",
        challenge="c" * 43,
        name=name,
        scope=("models:read", "windows:read"),
        tasks=("*",),
        token_id=case.make.randomness.token(16).hex(),
        expires_at_us=expires_at_us,
    )


def test_a_client_comes_back_as_it_was_kept_on_every_replica_until_it_is_removed(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        older, newer = client(case, 5), msgspec.structs.replace(client(case, 8), grants=(), redirects=())
        for each in (older, newer):
            await one.keep_oauth_client(each)
        assert await two.oauth_client(older.client_id) == older
        assert [each for each in await two.oauth_clients() if each in (older, newer)] == [newer, older]
        assert await two.remove_oauth_client(older.client_id)
        assert await one.oauth_client(older.client_id) is None
        assert not await one.remove_oauth_client(older.client_id)

    case.tell_of_two(story)


def test_nobody_takes_the_place_of_somebody_of_the_same_name(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        first = person(case)
        assert await store.keep_person(first)
        assert not await store.keep_person(msgspec.structs.replace(first, grants=("admin",)))
        assert await store.person(first.name) == first
        assert first in await store.people()

    case.tell(story)


def test_a_new_password_changes_nothing_else(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        somebody = person(case)
        await store.keep_person(somebody)
        assert await store.set_password(somebody.name, "another")
        assert await store.person(somebody.name) == msgspec.structs.replace(somebody, password="another")
        assert not await store.set_password(somebody.name + "x", "another")

    case.tell(story)


def test_a_code_is_there_for_every_replica_and_counts_who_comes_with_it(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        somebody = person(case)
        await one.keep_person(somebody)
        kept = code(case, somebody.name)
        await one.keep_login_code(kept, 0)
        assert await two.take_login_code(kept.digest) == TakenCode(kept, 1)
        assert await one.take_login_code(kept.digest) == TakenCode(kept, 2)
        assert await one.take_login_code(bytes(32)) is None

    case.tell_of_two(story)


def test_of_many_who_come_with_a_code_at_once_one_is_the_first(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        somebody = person(case)
        await one.keep_person(somebody)
        kept = code(case, somebody.name)
        await one.keep_login_code(kept, 0)
        taken = await asyncio.gather(*(store.take_login_code(kept.digest) for store in (one, two) * 4))
        assert sorted(each.times for each in taken if each is not None) == list(range(1, 9))

    case.tell_of_two(story)


def test_codes_that_expired_before_are_forgotten_when_another_is_kept(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        somebody = person(case)
        await store.keep_person(somebody)
        old, young = code(case, somebody.name, 10), code(case, somebody.name, 20)
        await store.keep_login_code(old, 0)
        await store.keep_login_code(young, 20)
        assert await store.take_login_code(old.digest) is None
        assert await store.take_login_code(young.digest) == TakenCode(young, 1)

    case.tell(story)


def test_who_is_removed_is_gone_with_what_they_were_on_the_way_to_get(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        somebody = person(case)
        await store.keep_person(somebody)
        kept = code(case, somebody.name)
        await store.keep_login_code(kept, 0)
        assert await store.remove_person(somebody.name)
        assert await store.person(somebody.name) is None
        assert await store.take_login_code(kept.digest) is None
        assert not await store.remove_person(somebody.name)

    case.tell(story)
