"""Tokens that programs get for themselves (RFC 6749 section 4.4), and what else may be tried at that address."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from dissonance.bootstrap_issuing import MOST
from dissonance.errors import Unauthenticated
from dissonance.roles.login_changing import MadeClient
from dissonance.security.permissions import Permission
from support.issuing import DAY_S, FORM, Issuing, basic

OWN = {"grant_type": "client_credentials"}


def test_a_client_gets_a_token_of_its_grants_and_tasks_with_its_secret() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        reply = await issuing.token(OWN, made)
        identity = await issuing.identity(reply)
        assert (reply.status, reply.json()["token_type"], reply.json()["expires_in"]) == (200, "Bearer", 900)
        assert identity.name == made.client.client_id
        assert identity.permissions == {Permission(each) for each in reply.json()["scope"].split()}
        assert identity.may(Permission.PREDICT)
        assert not identity.may(Permission.RETRAIN)
        assert identity.may_touch("toy")
        assert not identity.may_touch("census")
        assert reply.headers["cache-control"] == "no-store"

    asyncio.run(story())


def test_a_client_may_ask_for_less_and_for_nothing_more() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        less = await issuing.token({**OWN, "scope": "predictions:write"}, made)
        more = await issuing.token({**OWN, "scope": "predictions:write updates:write"}, made)
        unknown = await issuing.token({**OWN, "scope": "everything"}, made)
        assert (await issuing.identity(less)).permissions == {Permission.PREDICT}
        assert [(each.status, each.json()["error"]) for each in (more, unknown)] == [(400, "invalid_scope")] * 2

    asyncio.run(story())


def wrong(made: MadeClient) -> dict[str, str]:
    """What somebody shows instead."""
    return {
        "nothing": "",
        "another secret": basic(made.client.client_id, "dsc_" + "A" * 43),
        "an empty secret": basic(made.client.client_id, ""),
        "another client": basic("night-batch.00000000", made.secret),
        "the command line, which has no secret": basic("dissonance-command-line", made.secret),
        "a bearer": f"Bearer {made.secret}",
        "no base64": "Basic ***",
        "no text": "Basic /////w==",
        "a name alone": "Basic " + "bmlnaHQ=",
    }


def test_whatever_is_wrong_with_a_client_the_answer_is_the_same() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        for what, shown in wrong(made).items():
            reply = await issuing.token_as(OWN, shown)
            assert (reply.status, reply.body) == (401, b'{"error":"invalid_client"}'), what
            assert reply.headers["www-authenticate"].startswith("Basic")
            issuing.clock.advance(3600.0)  # past the pause of what failed

    asyncio.run(story())


def test_a_secret_in_the_form_is_no_secret() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        fields = {**OWN, "client_id": made.client.client_id, "client_secret": made.secret}
        assert (await issuing.token(fields)).json() == {"error": "invalid_client"}

    asyncio.run(story())


def test_other_grants_are_not_there() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        for grant_type in ("password", "implicit", "", "urn:ietf:params:oauth:x"):
            fields = {"grant_type": grant_type, "username": "ada", "password": "secret"}  # pragma: allowlist secret
            reply = await issuing.token(fields, made)
            assert (reply.status, reply.json()["error"]) == (400, "unsupported_grant_type"), grant_type

    asyncio.run(story())


def test_a_client_that_only_sends_people_to_log_in_gets_nothing_for_itself() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client(grants=[], redirects=["https://grafana.example.org/back"])
        assert (await issuing.token(OWN, made)).json()["error"] == "unauthorized_client"

    asyncio.run(story())


def test_an_expired_client_gets_nothing() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client(lifetime_s=60.0)
        assert (await issuing.token(OWN, made)).status == 200
        issuing.clock.advance(60.0)
        assert (await issuing.token(OWN, made)).status == 401

    asyncio.run(story())


def test_a_removed_client_gets_nothing_and_its_tokens_open_nothing() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        reply = await issuing.token(OWN, made)
        await issuing.changing.remove_client(made.client.client_id)
        with pytest.raises(Unauthenticated):
            await issuing.identity(reply)
        assert (await issuing.token(OWN, made)).status == 401

    asyncio.run(story())


def test_a_grant_that_is_in_no_file_any_more_gives_nothing() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        await issuing.store.keep_oauth_client(msgspec.structs.replace(made.client, grants=("gone",)))
        assert (await issuing.token(OWN, made)).json()["error"] == "unauthorized_client"

    asyncio.run(story())


def test_what_fails_again_and_again_is_put_off_and_the_right_secret_is_not() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client(lifetime_s=DAY_S)
        forged = basic(made.client.client_id, "dsc_" + "A" * 43)
        statuses = [(await issuing.token_as(OWN, forged)).status for _ in range(6)]
        assert statuses == [401, 401, 401, 401, 429, 429]
        assert (await issuing.token(OWN, made)).status == 200

    asyncio.run(story())


def test_wrong_codes_are_not_held_against_the_secret_that_came_with_them() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client(redirects=["https://grafana.example.org/back"])
        for _ in range(6):
            fields = {"grant_type": "authorization_code", "code": "injected", "redirect_uri": "https://x"}
            assert (await issuing.token(fields, made)).status in (400, 429)
        assert (await issuing.token(OWN, made)).status == 200

    asyncio.run(story())


def test_a_flood_is_turned_away_before_it_costs_anything() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        replies = await asyncio.gather(*(issuing.token(OWN, made) for _ in range(MOST + 10)))
        assert Counter(each.status for each in replies) == {200: MOST, 429: 10}

    asyncio.run(story())


UNREADABLE = [
    (b"grant_type=client_credentials&grant_type=password", FORM, 400),
    (b"grant_type=%ff", FORM, 400),
    (b"grant_type=client_credentials&scope=%22%3Cscript", FORM, 400),
    (b"a=1&" * 50, FORM, 400),
    (b"a=" + b"1" * 20_000, FORM, 413),
    (b'{"grant_type":"client_credentials"}', "application/json", 415),
]


def test_a_form_that_cannot_be_read_is_told_so_in_the_words_of_the_protocol() -> None:
    async def story() -> None:
        issuing = Issuing()
        for body, kind, status in UNREADABLE:
            reply = await issuing.send(body, kind)
            assert (reply.status, reply.json()["error"]) == (status, "invalid_request"), body[:60]

    asyncio.run(story())
