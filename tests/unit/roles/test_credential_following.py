"""Every process knows what is revoked: told by the bus, or by itself when nobody told it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock, SeededRandomness
from dissonance.adapters.memory.store import MemoryStore
from dissonance.contracts.topics import EventKind
from dissonance.errors import EngineUnavailable, InputError, Unauthenticated
from dissonance.roles.credential_changing import MAX_CHARACTERS, CredentialChanging
from dissonance.roles.credential_following import AGAIN_S, CredentialFollowing
from dissonance.security.grants import default_grants
from dissonance.security.revocations import Revoked
from support.access import LocalAccess

NEVER_S = 3600.0


class Scene:
    """One installation, in which somebody revokes and makes keys, and replicas that follow."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.store = MemoryStore(self.clock)
        self.bus = MemoryBus(self.clock)
        self.changing = CredentialChanging(self.store, self.bus, self.clock, by="ada")
        self.access = LocalAccess(self.clock)

    def follower(self, access: LocalAccess, *, every_s: float) -> CredentialFollowing:
        return CredentialFollowing(
            self.store, self.bus, self.clock, access.tokens.use, every_s=every_s, reconnect_s=0.001
        )

    async def following(self, story: Callable[[], Awaitable[None]], *replicas: CredentialFollowing) -> None:
        tasks = [asyncio.create_task(replica.follow()) for replica in replicas]
        try:
            while len(self.bus.broker.watchers) < len(replicas):
                await asyncio.sleep(0)
            await story()
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


def is_let_in(access: LocalAccess, token: str) -> bool:
    try:
        access.verifier.verify(token)
    except Unauthenticated:
        return False
    return True


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not holds():
            await asyncio.sleep(0.001)


def test_every_replica_that_hears_of_it_refuses_what_it_let_in_before() -> None:
    async def told() -> None:
        scene = Scene()
        replicas = [LocalAccess(scene.clock), LocalAccess(scene.clock)]
        token = replicas[0].token()
        identities = [replica.verifier.verify(token) for replica in replicas]

        async def story() -> None:
            await scene.changing.revoke(Revoked.TOKEN, identities[0].token_id, "lost")
            await until(lambda: not any(is_let_in(replica, token) for replica in replicas))

        await scene.following(story, *(scene.follower(replica, every_s=NEVER_S) for replica in replicas))

    asyncio.run(told())


def test_a_replica_that_hears_nothing_finds_out_by_itself() -> None:
    async def told() -> None:
        scene = Scene()
        token = scene.access.token()
        token_id = scene.access.verifier.verify(token).token_id

        async def story() -> None:
            scene.bus.available = False
            await scene.changing.revoke(Revoked.TOKEN, token_id, "lost")
            await until(lambda: not is_let_in(scene.access, token))

        await scene.following(story, scene.follower(scene.access, every_s=0.002))

    asyncio.run(told())


def test_a_replica_that_was_away_from_the_store_catches_up() -> None:
    async def told() -> None:
        scene = Scene()
        token = scene.access.token()
        token_id = scene.access.verifier.verify(token).token_id

        async def story() -> None:
            await scene.changing.revoke(Revoked.TOKEN, token_id, "lost")
            scene.store.available = False
            for _ in range(20):
                await asyncio.sleep(0.001)
            scene.store.available = True
            await until(lambda: not is_let_in(scene.access, token))

        await scene.following(story, scene.follower(scene.access, every_s=0.002))

    asyncio.run(told())


def test_while_the_store_is_away_nothing_is_said_to_be_revoked() -> None:
    async def told() -> None:
        scene = Scene()
        scene.store.available = False
        with pytest.raises(EngineUnavailable):
            await scene.changing.revoke(Revoked.TOKEN, "one", "lost")
        assert not scene.bus.broker.streams[EventKind.CREDENTIALS_CHANGED]
        with pytest.raises(EngineUnavailable):
            await scene.follower(scene.access, every_s=NEVER_S).read()

    asyncio.run(told())


def test_a_new_api_key_is_found_by_another_look_of_which_there_is_one_a_second() -> None:
    async def told() -> None:
        scene = Scene()
        follower = scene.follower(scene.access, every_s=NEVER_S)
        await follower.read()
        made = await scene.changing.make_api_key(
            SeededRandomness(5),
            grants=["labeller"],
            known=default_grants(),
            name="batch",
            tasks=["census"],
            lifetime_s=60,
        )
        await follower.refresh()
        assert not is_let_in(scene.access, made.text)
        scene.clock.advance(AGAIN_S)
        await follower.refresh()
        identity = scene.access.verifier.verify(made.text)
        permitted = default_grants()["labeller"]
        assert (identity.name, identity.permissions, identity.tasks) == ("batch", permitted, {"census"})
        assert made.text not in repr(await scene.store.api_keys())

    asyncio.run(told())


def test_a_look_for_new_keys_while_the_store_is_away_changes_nothing() -> None:
    async def told() -> None:
        scene = Scene()
        token = scene.access.token()
        follower = scene.follower(scene.access, every_s=NEVER_S)
        await scene.changing.revoke(Revoked.TOKEN, scene.access.verifier.verify(token).token_id, "lost")
        await follower.read()
        scene.store.available = False
        scene.clock.advance(AGAIN_S)
        await follower.refresh()
        assert not is_let_in(scene.access, token)

    asyncio.run(told())


@pytest.mark.parametrize(("value", "reason"), [("", ""), (" ", ""), ("x" * (MAX_CHARACTERS + 1), ""), ("x", "y" * 201)])
def test_what_is_no_id_or_too_long_cannot_be_revoked(value: str, reason: str) -> None:
    with pytest.raises(InputError):
        asyncio.run(Scene().changing.revoke(Revoked.TOKEN, value, reason))


def test_an_api_key_that_there_is_not_cannot_be_revoked() -> None:
    with pytest.raises(InputError, match="no API key"):
        asyncio.run(Scene().changing.revoke_api_key("0" * 16, ""))
