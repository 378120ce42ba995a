"""What is revoked and which API keys there are: kept, counted, and seen by every replica."""

from __future__ import annotations

import msgspec

from dissonance.ports.store import Store
from dissonance.security.api_keys import ApiKey
from dissonance.security.revocations import Revocation, Revoked
from support.store import StoreCase


def revocation(value: str, at_us: int, what: Revoked = Revoked.TOKEN, reason: str = "lost") -> Revocation:
    return Revocation(what=what, value=value, revoked_at_us=at_us, by="ada", reason=reason)


def api_key(case: StoreCase, created_at_us: int) -> ApiKey:
    return ApiKey(
        key_id=case.make.randomness.token(8).hex(),
        name="batch",
        digest=case.make.randomness.token(32),
        scope=("labels:write", "predictions:write"),
        tasks=("*",),
        created_at_us=created_at_us,
        expires_at_us=created_at_us + 1,
        by="ada",
    )


def test_every_change_counts_and_the_other_replica_sees_it(case: StoreCase) -> None:
    async def story(one: Store, two: Store) -> None:
        before = await two.credential_changes()
        value = case.make.randomness.token(16).hex()
        assert await one.revoke(revocation(value, 5)) == before + 1
        assert await one.keep_api_key(api_key(case, 5)) == before + 2
        assert await two.credential_changes() == before + 2
        assert revocation(value, 5) in await two.revocations(0)

    case.tell_of_two(story)


def test_the_latest_revocation_of_the_same_counts(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        name = case.make.randomness.token(16).hex()
        for at_us, reason in ((5, "lost"), (9, "left"), (7, "late news")):
            await store.revoke(revocation(name, at_us, Revoked.HOLDER, reason))
        found = [each for each in await store.revocations(0) if each.value == name]
        assert found == [revocation(name, 9, Revoked.HOLDER, "left")]

    case.tell(story)


def test_a_token_and_a_holder_of_the_same_name_are_two(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        name = case.make.randomness.token(16).hex()
        both = [revocation(name, 6, Revoked.HOLDER), revocation(name, 6)]
        for each in both:
            await store.revoke(each)
        assert [each for each in await store.revocations(0) if each.value == name] == both

    case.tell(story)


def test_revocations_that_nothing_is_under_any_more_are_left_out(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        old, new = (case.make.randomness.token(16).hex() for _ in range(2))
        await store.revoke(revocation(old, 10))
        await store.revoke(revocation(new, 20))
        assert {old, new} & {each.value for each in await store.revocations(20)} == {new}

    case.tell(story)


def test_an_api_key_comes_back_as_it_was_kept_the_newest_first(case: StoreCase) -> None:
    async def story(store: Store) -> None:
        older, newer = api_key(case, 5), msgspec.structs.replace(api_key(case, 8), scope=(), tasks=("a", "b"))
        for key in (older, newer):
            await store.keep_api_key(key)
        assert [key for key in await store.api_keys() if key in (older, newer)] == [newer, older]

    case.tell(story)
