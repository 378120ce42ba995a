"""Clients and people: what is kept of them when they are made, and what is over when they go."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.errors import InputError
from dissonance.security.grants import default_grants
from dissonance.security.passwords import is_password
from dissonance.security.revocations import Revoked
from support.issuing import PASSWORD, Issuing


def test_neither_secret_nor_password_is_kept() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        await issuing.ada()
        [kept], [ada] = await issuing.store.oauth_clients(), await issuing.store.people()
        assert (made.secret in str(kept), PASSWORD in str(ada)) == (False, False)
        assert ada.password.startswith("$argon2id$")
        assert is_password(ada.password, PASSWORD)

    asyncio.run(story())


def test_whoever_is_removed_has_nothing_that_is_valid() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        await issuing.ada()
        await issuing.changing.remove_client(made.client.client_id)
        await issuing.changing.remove_person("ada")
        revoked = {(each.what, each.value) for each in await issuing.store.revocations(0)}
        assert revoked == {(Revoked.HOLDER, made.client.client_id), (Revoked.HOLDER, "ada")}

    asyncio.run(story())


def test_who_is_not_there_cannot_be_removed_or_given_a_password() -> None:
    async def story() -> None:
        changing = Issuing().changing
        for doing in (
            changing.remove_client("night-batch.00000000"),
            changing.remove_person("bob"),
            changing.set_password("bob", PASSWORD),
        ):
            with pytest.raises(InputError, match="there is"):
                await doing

    asyncio.run(story())


def test_a_new_password_is_the_only_right_one() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        await issuing.changing.set_password("ada", "quite another sentence")
        [ada] = await issuing.store.people()
        assert [is_password(ada.password, each) for each in (PASSWORD, "quite another sentence")] == [False, True]

    asyncio.run(story())


def test_nobody_is_let_in_by_half() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        known, changing = default_grants(), issuing.changing
        good = {"name": "bob", "password": PASSWORD, "grants": ["viewer"], "known": known, "tasks": ["*"]}
        for changed in (
            {"name": "corp/bob"},
            {"name": "bob.smith"},
            {"name": "ada"},
            {"password": "short"},  # pragma: allowlist secret
            {"grants": []},
            {"grants": ["everything"]},
        ):
            with pytest.raises(InputError):
                await changing.add_person(**{**good, **changed})  # type: ignore[arg-type]
        with pytest.raises(InputError):
            await issuing.client(grants=["everything"])
        assert ([each.name for each in await issuing.store.people()], await issuing.store.oauth_clients()) == (
            ["ada"],
            [],
        )

    asyncio.run(story())
