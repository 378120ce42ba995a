"""Clients, people, codes and logins: kept, and seen by every replica; what is good once is the first's who comes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from dissonance.ports.logins import TakenCode
from dissonance.ports.store import Store
from dissonance.security.client_assertions import Assertion
from dissonance.security.identity import MICROSECONDS, SKEW_S
from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import LoginCode, Person
from dissonance.security.refresh_tokens import KnownRefresh, PersonLogin, RefreshToken
from dissonance.security.revocations import Revocation, Revoked
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


def login(case: StoreCase, name: str, ends_at_us: int = 10**15) -> PersonLogin:
    return PersonLogin(
        login_id=case.make.randomness.token(16).hex(),
        client_id="dissonance-command-line",
        name=name,
        scope=("models:read", "windows:read"),
        tasks=("*",),
        began_at_us=ends_at_us - 1000,
        ends_at_us=ends_at_us,
    )


def refresh(case: StoreCase, issued_at_us: int = 5) -> RefreshToken:
    return RefreshToken(
        digest=case.make.randomness.token(32),
        token_id=case.make.randomness.token(16).hex(),
        issued_at_us=issued_at_us,
        expires_at_us=issued_at_us + 100,
    )


async def begun(case: StoreCase, store: Store) -> tuple[PersonLogin, RefreshToken]:
    """A login of somebody new."""
    somebody, first = person(case), refresh(case)
    await store.keep_person(somebody)
    of_them = login(case, somebody.name)
    assert await store.begin_login(of_them, first, 0)
    return of_them, first


def test_a_client_comes_back_as_it_was_kept_on_every_replica_until_it_is_removed(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        older, with_key = client(case, 5), {"digest": b"", "public_key": "a PEM"}
        newer = msgspec.structs.replace(client(case, 8), grants=(), redirects=(), **with_key)
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


def test_of_many_who_come_with_what_a_client_signed_one_is_the_first_until_it_is_forgotten(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        used = Assertion(case.make.randomness.token(32), 10)
        asked = (store.use_assertion(used, 0) for store in (one, two) * 4)
        assert sorted(await asyncio.gather(*asked)) == [False] * 7 + [True]
        assert not await two.use_assertion(used, 10)
        assert await one.use_assertion(Assertion(case.make.randomness.token(32), 30), 11)
        assert await two.use_assertion(used._replace(forget_at_us=30), 11)

    case.tell_of_two(story)


def test_a_refresh_token_is_replaced_by_one_of_many_who_come_with_it(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        of_them, first = await begun(case, one)
        assert await two.refresh_token(first.digest) == KnownRefresh(of_them, first, False, False)
        others = [refresh(case, 7) for _ in range(8)]
        asked = (
            store.replace_refresh_token(first.digest, by) for store, by in zip((one, two) * 4, others, strict=True)
        )
        replaced = await asyncio.gather(*asked)
        assert sorted(replaced) == [False] * 7 + [True]
        assert await one.refresh_token(first.digest) == KnownRefresh(of_them, first, True, False)
        for by, was_first in zip(others, replaced, strict=True):
            known = KnownRefresh(of_them, by, False, False)
            assert await two.refresh_token(by.digest) == (known if was_first else None)
        assert not await one.replace_refresh_token(bytes(32), refresh(case))

    case.tell_of_two(story)


def test_a_login_that_ended_is_gone_with_all_its_tokens_and_no_other_is(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        (of_them, first), (_, others) = [await begun(case, store) for _ in range(2)]
        second = refresh(case, 9)
        await store.replace_refresh_token(first.digest, second)
        assert await store.login_tokens(of_them.login_id, 0) == [first.token_id, second.token_id]
        assert await store.login_tokens(of_them.login_id, 9) == [second.token_id]
        await store.end_login(of_them.login_id)
        assert [await store.refresh_token(each.digest) for each in (first, second)] == [None, None]
        assert await store.login_tokens(of_them.login_id, 0) == []
        assert not await store.replace_refresh_token(second.digest, refresh(case))
        assert await store.refresh_token(others.digest) is not None

    case.tell(story)


def test_the_logins_of_one_person_end_together_and_when_they_are_removed(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        (ada, first), (bob, others) = [await begun(case, store) for _ in range(2)]
        await store.end_logins_of(ada.name)
        assert await store.refresh_token(first.digest) is None
        await store.remove_person(bob.name)
        assert await store.refresh_token(others.digest) is None
        assert not await store.begin_login(login(case, bob.name), refresh(case), 0)

    case.tell(story)


@pytest.mark.parametrize(
    ("what", "ago_us", "revoked"),
    [
        ("login", 0, True),
        ("token", 0, True),
        ("name", SKEW_S * MICROSECONDS, True),
        ("name", SKEW_S * MICROSECONDS + 1, False),
        ("another", 0, False),
    ],
)
def test_a_login_is_revoked_with_its_holder_or_with_any_token_of_it(
    case: StoreCase, what: str, ago_us: int, revoked: bool
) -> None:
    async def story(store: Store) -> None:
        of_them, first = await begun(case, store)
        second = refresh(case, 9)
        await store.replace_refresh_token(first.digest, second)
        values = {
            "login": (Revoked.TOKEN, of_them.login_id),
            "token": (Revoked.TOKEN, first.token_id),
            "name": (Revoked.HOLDER, of_them.name),
            "another": (Revoked.TOKEN, of_them.name),
        }
        kind, value = values[what]
        at_us = of_them.began_at_us - ago_us
        await store.revoke(Revocation(what=kind, value=value, revoked_at_us=at_us, by="root", reason=""))
        known = await store.refresh_token(second.digest)
        assert known is not None
        assert known.revoked == revoked

    case.tell(story)


def test_logins_that_ended_before_are_forgotten_when_another_begins(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        somebody = person(case)
        await store.keep_person(somebody)
        old, young = refresh(case), refresh(case)
        await store.begin_login(login(case, somebody.name, 1010), old, 0)
        await store.begin_login(login(case, somebody.name, 1020), young, 1020)
        assert await store.refresh_token(old.digest) is None
        assert await store.refresh_token(young.digest) is not None

    case.tell(story)
