"""Logins that go on (RFC 6749 section 6), each attack on them once (RFC 9700 section 4.14), and what ends them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from dissonance.errors import Unauthenticated
from dissonance.security.grants import default_grants
from dissonance.security.oauth_clients import COMMAND_LINE
from dissonance.security.permissions import Permission
from dissonance.security.refresh_tokens import LOGIN_S, UNUSED_S, id_in
from dissonance.security.revocations import Revoked
from support.asgi import Reply, request
from support.issuing import FORM, PASSWORD, VERIFIER, Issuing

BACK = "https://grafana.example.org/back"


async def logged_in(issuing: Issuing, **asked: str) -> Reply:
    await issuing.ada("viewer")
    reply = await issuing.change(await issuing.code(**asked))
    assert reply.status == 200
    return reply


def refresh_token(reply: Reply) -> str:
    token: str = reply.json()["refresh_token"]
    return token


async def refresh(issuing: Issuing, token: str, **changed: str) -> Reply:
    fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": COMMAND_LINE.client_id, **changed}
    return await issuing.token({name: value for name, value in fields.items() if value})


async def give_back(issuing: Issuing, token: str, **changed: str) -> Reply:
    fields = {"token": token, "client_id": COMMAND_LINE.client_id, **changed}
    body = "&".join(f"{name}={value}" for name, value in fields.items() if value).encode()
    return await request(issuing.app, "POST", "/oauth/revoke", headers={"content-type": FORM}, body=body)


def refused(reply: Reply) -> bool:
    return (reply.status, reply.json()["error"]) == (400, "invalid_grant")


async def is_over(issuing: Issuing, reply: Reply) -> bool:
    """Neither its access token is worth anything nor its refresh token."""
    with pytest.raises(Unauthenticated):
        await issuing.identity(reply)
    return refused(await refresh(issuing, refresh_token(reply)))


def test_a_login_goes_on_with_a_short_token_after_the_other() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing)
        first, seen = reply, {refresh_token(reply)}
        for _ in range(10):
            issuing.clock.advance(reply.json()["expires_in"])
            with pytest.raises(Unauthenticated):
                await issuing.identity(reply)
            reply = await refresh(issuing, refresh_token(reply))
            identity = await issuing.identity(reply)
            seen.add(refresh_token(reply))
        assert (identity.name, identity.tasks) == ("ada", {"toy"})
        assert reply.json()["scope"] == first.json()["scope"]
        assert (len(seen), reply.json()["expires_in"]) == (11, 900)
        assert reply.headers["cache-control"] == "no-store"

    asyncio.run(story())


def test_neither_what_a_program_gets_for_itself_has_a_refresh_token_nor_is_one_kept() -> None:
    async def story() -> None:
        issuing = Issuing()
        token = refresh_token(await logged_in(issuing))
        own = await issuing.token({"grant_type": "client_credentials"}, await issuing.client())
        assert "refresh_token" not in own.json()
        assert token not in str(vars(issuing.store))
        assert (id_in(token) or "-") in str(vars(issuing.store))

    asyncio.run(story())


@pytest.mark.parametrize("thief_first", [True, False], ids=["the thief was first", "the owner was first"])
def test_a_token_that_comes_again_ends_the_login_for_both(thief_first: bool) -> None:
    async def story() -> None:
        issuing = Issuing()
        stolen = await logged_in(issuing)
        going_on = await refresh(issuing, refresh_token(stolen))
        if thief_first:  # whoever was first has gone on meanwhile
            going_on = await refresh(issuing, refresh_token(going_on))
        await issuing.identity(going_on)
        issuing.app = issuing.replica()
        assert refused(await refresh(issuing, refresh_token(stolen)))
        assert await is_over(issuing, going_on)
        with pytest.raises(Unauthenticated):
            await issuing.identity(stolen)

    asyncio.run(story())


def test_of_many_who_come_with_a_token_at_once_none_goes_on() -> None:
    async def story() -> None:
        issuing = Issuing()
        token = refresh_token(await logged_in(issuing))
        replies = await asyncio.gather(*(refresh(issuing, token) for _ in range(4)))
        assert Counter(each.status for each in replies)[200] <= 1
        for each in replies:
            assert each.status == 400 or await is_over(issuing, each)

    asyncio.run(story())


def test_a_code_that_comes_again_ends_the_login_that_it_began() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        code = await issuing.code()
        first = await issuing.change(code)
        assert refused(await issuing.change(code))
        assert await is_over(issuing, first)

    asyncio.run(story())


WRONG: dict[str, dict[str, str]] = {
    "another client": {"client_id": "nobody"},
    "no client": {"client_id": ""},
    "a letter more": {"refresh_token": "dsr_" + "0" * 32 + "_" + "A" * 44},
    "a token of nobody": {"refresh_token": "dsr_" + "0" * 32 + "_" + "A" * 43},
    "none": {"refresh_token": ""},
    "more than was asked for": {"scope": "models:read updates:write"},
    "more than there is": {"scope": "everything"},
}


def test_what_is_wrong_gets_nothing_and_costs_the_login_nothing() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing, scope="models:read windows:read")
        for what, changed in WRONG.items():
            told = await refresh(issuing, refresh_token(reply), **changed)
            assert (told.status in (400, 401), "access_token" in told.json()) == (True, False), what
        assert (await refresh(issuing, refresh_token(reply))).status == 200

    asyncio.run(story())


def test_a_refresh_token_of_one_client_is_worth_nothing_to_another() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        one, other = [await issuing.client(name=name, grants=[], redirects=[BACK]) for name in ("one", "other")]
        asked = {"client_id": one.client.client_id, "redirect_uri": BACK}
        code = {"grant_type": "authorization_code", "redirect_uri": BACK, "code_verifier": VERIFIER}
        reply = await issuing.token({**code, "code": await issuing.code(**asked)}, one)
        fields = {"grant_type": "refresh_token", "refresh_token": refresh_token(reply)}
        assert refused(await issuing.token(fields, other))
        assert refused(await refresh(issuing, refresh_token(reply)))  # the command line
        assert (await refresh(issuing, refresh_token(reply), client_id=one.client.client_id)).status == 401
        assert (await give_back(issuing, refresh_token(reply))).json()["error"] == "invalid_grant"
        assert (await issuing.token(fields, one)).status == 200

    asyncio.run(story())


def test_a_client_may_ask_for_less_for_a_while() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing, scope="models:read windows:read")
        less = await refresh(issuing, refresh_token(reply), scope="models:read")
        again = await refresh(issuing, refresh_token(less))
        assert (await issuing.identity(less)).permissions == {Permission.MODELS}
        assert again.json()["scope"] == "models:read windows:read"

    asyncio.run(story())


def test_a_login_is_over_when_nobody_used_it_for_a_working_day() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing)
        issuing.clock.advance(UNUSED_S - 1)
        reply = await refresh(issuing, refresh_token(reply))
        issuing.clock.advance(UNUSED_S)
        assert refused(await refresh(issuing, refresh_token(reply)))

    asyncio.run(story())


def test_a_login_is_over_after_a_week_however_it_was_used() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing)
        steps = [LOGIN_S // 24] * 23 + [LOGIN_S // 24 - 1]
        for step in steps:
            issuing.clock.advance(step)
            reply = await refresh(issuing, refresh_token(reply))
            assert reply.status == 200
        issuing.clock.advance(1)
        assert refused(await refresh(issuing, refresh_token(reply)))

    asyncio.run(story())


Ending = Callable[[Issuing, Reply], Awaitable[object]]


async def _revoke_token(issuing: Issuing, reply: Reply) -> None:
    identity = await issuing.identity(reply)
    await issuing.credentials.revoke(Revoked.TOKEN, identity.token_id, "leaked")


ENDINGS: dict[str, Ending] = {
    "logged out": lambda issuing, reply: give_back(issuing, refresh_token(reply)),
    "removed": lambda issuing, _: issuing.changing.remove_person("ada"),
    "revoked": lambda issuing, _: issuing.credentials.revoke(Revoked.HOLDER, "ada", "left"),
    "a token of it revoked": _revoke_token,
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_what_ends_a_login_ends_all_of_it_at_once(ending: Ending) -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await refresh(issuing, refresh_token(await logged_in(issuing)))
        await ending(issuing, reply)
        assert await is_over(issuing, reply)

    asyncio.run(story())


def test_a_refresh_token_that_leaked_is_revoked_by_its_own_id() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing)
        await issuing.credentials.revoke(Revoked.TOKEN, id_in(refresh_token(reply)) or "", "leaked")
        assert refused(await refresh(issuing, refresh_token(reply)))

    asyncio.run(story())


def test_a_new_password_ends_the_logins_of_before() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing)
        await issuing.changing.set_password("ada", "quite another sentence")
        assert refused(await refresh(issuing, refresh_token(reply)))

    asyncio.run(story())


def test_who_logs_in_again_after_all_was_revoked_goes_on() -> None:
    async def story() -> None:
        issuing = Issuing()
        await logged_in(issuing)
        await issuing.credentials.revoke(Revoked.HOLDER, "ada", "a lost laptop")
        issuing.clock.advance(3600.0)
        reply = await issuing.change(await issuing.code())
        assert (await refresh(issuing, refresh_token(reply))).status == 200

    asyncio.run(story())


def test_who_was_removed_and_added_again_has_to_log_in() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing)
        await issuing.store.remove_person("ada")
        await issuing.changing.add_person(
            name="ada", password=PASSWORD, grants=["viewer"], known=default_grants(), tasks=["toy"]
        )
        assert refused(await refresh(issuing, refresh_token(reply)))

    asyncio.run(story())


def test_of_what_somebody_may_no_more_the_next_token_has_nothing() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing, scope="models:read windows:read")
        issuing.app = issuing.replica(grants={"viewer": frozenset({Permission.MODELS, Permission.PREDICT})})
        reply = await refresh(issuing, refresh_token(reply))
        assert reply.json()["scope"] == "models:read"
        issuing.app = issuing.replica(grants={"viewer": frozenset({Permission.PREDICT})})
        assert refused(await refresh(issuing, refresh_token(reply)))

    asyncio.run(story())


def test_giving_back_says_nothing_of_what_is_there() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing)
        unknown = await give_back(issuing, "dsr_" + "0" * 32 + "_" + "A" * 43)
        first, again = [await give_back(issuing, refresh_token(reply)) for _ in range(2)]
        assert {(each.status, each.body) for each in (unknown, first, again)} == {(200, b"{}")}

    asyncio.run(story())


def test_what_cannot_be_given_back_is_told_so() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await logged_in(issuing)
        access = await give_back(issuing, reply.json()["access_token"])
        hinted = await give_back(issuing, refresh_token(reply), token_type_hint="access_token")
        nothing = await give_back(issuing, "")
        nobody = await give_back(issuing, refresh_token(reply), client_id="")
        assert [each.json()["error"] for each in (access, hinted)] == ["unsupported_token_type"] * 2
        assert (nothing.json()["error"], nobody.json()["error"]) == ("invalid_request", "invalid_client")
        assert (await refresh(issuing, refresh_token(reply))).status == 200

    asyncio.run(story())


def test_going_on_and_logging_out_are_in_the_trail_with_who() -> None:
    async def story() -> None:
        issuing = Issuing()
        reply = await refresh(issuing, refresh_token(await logged_in(issuing)))
        issuing.app.state.trail.take(everything=True)
        again = await refresh(issuing, refresh_token(reply))
        await give_back(issuing, refresh_token(again))
        await refresh(issuing, refresh_token(again))
        seen = [(each.what, each.who, each.outcome.value) for each in issuing.app.state.trail.take(everything=True)]
        assert sorted(seen) == [
            ("POST /oauth/revoke", "ada", "allowed"),
            ("POST /oauth/token", "ada", "allowed"),
            ("POST /oauth/token", COMMAND_LINE.client_id, "denied"),
        ]

    asyncio.run(story())
