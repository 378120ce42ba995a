"""What may be tried with the code of a login (RFC 6749 section 4.1, RFC 7636, RFC 9207, RFC 9700), each attack once."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.errors import Unauthenticated
from dissonance.security.people import CODE_S
from dissonance.security.permissions import Permission
from support.asgi import request
from support.issuing import HERE, PASSWORD, REDIRECT, VERIFIER, Issuing, challenge_of, query_of, returned

ELSEWHERE = "https://grafana.example.org/back"


def test_a_login_gives_a_token_of_the_persons_grants_and_tasks() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada("viewer")
        reply = await issuing.change(await issuing.code())
        identity = await issuing.identity(reply)
        assert reply.status == 200
        assert (identity.name, identity.tasks) == ("ada", {"toy"})
        assert identity.may(Permission.MODELS)
        assert not identity.may(Permission.RETRAIN)

    asyncio.run(story())


def test_a_client_may_ask_for_some_of_what_the_person_has() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada("viewer")
        reply = await issuing.change(await issuing.code(scope="models:read updates:write"))
        assert reply.json()["scope"] == "models:read"

    asyncio.run(story())


def test_of_what_the_person_has_nothing_of_nothing_is_given() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada("viewer")
        reply = await (await issuing.open_page(scope="updates:write")).send(name="ada", password=PASSWORD)
        assert returned(reply)["error"] == "access_denied"

    asyncio.run(story())


def test_a_code_works_at_another_replica() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        assert (await issuing.change(await issuing.code(), app=issuing.replica())).status == 200

    asyncio.run(story())


def test_a_code_that_comes_again_is_refused_and_the_token_it_gave_is_revoked() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        code = await issuing.code()
        first = await issuing.change(code)
        await issuing.identity(first)
        assert (await issuing.change(code)).json()["error"] == "invalid_grant"
        with pytest.raises(Unauthenticated):
            await issuing.identity(first)

    asyncio.run(story())


UNBOUND: list[tuple[dict[str, str], str]] = [
    ({"code_verifier": "w" * 43}, "invalid_grant"),
    ({"code_verifier": challenge_of(VERIFIER)}, "invalid_grant"),  # what plain would take
    ({"code_verifier": ""}, "invalid_request"),
    ({"code_verifier": "short"}, "invalid_request"),
    ({"redirect_uri": "http://127.0.0.1:40124/"}, "invalid_grant"),
    ({"redirect_uri": ""}, "invalid_grant"),
    ({"client_id": "nobody"}, "invalid_client"),
    ({"client_id": ""}, "invalid_client"),
    ({"code": "a" * 43}, "invalid_grant"),
    ({"code": ""}, "invalid_request"),
]


def test_a_code_is_worth_nothing_without_all_that_it_is_bound_to() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        for changed, error in UNBOUND:
            reply = await issuing.change(**{"code": await issuing.code(), **changed})
            assert (reply.json()["error"], "access_token" in reply.json()) == (error, False), changed

    asyncio.run(story())


def test_a_code_of_one_client_is_worth_nothing_to_another() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        other = await issuing.client(redirects=[ELSEWHERE])
        fields = {
            "grant_type": "authorization_code",
            "code": await issuing.code(),
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        assert (await issuing.token(fields, other)).json()["error"] == "invalid_grant"

    asyncio.run(story())


def test_a_client_with_a_secret_has_to_show_it_for_a_code_too() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        made = await issuing.client(grants=[], redirects=[ELSEWHERE])
        asked = {"client_id": made.client.client_id, "redirect_uri": ELSEWHERE}
        assert (await issuing.change(await issuing.code(**asked), **asked)).json()["error"] == "invalid_client"
        fields = {
            "grant_type": "authorization_code",
            "code": await issuing.code(**asked),
            "redirect_uri": ELSEWHERE,
            "code_verifier": VERIFIER,
        }
        identity = await issuing.identity(await issuing.token(fields, made))
        assert identity.name == "ada"

    asyncio.run(story())


def test_a_code_that_is_too_old_is_worth_nothing() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        early, late = await issuing.code(), await issuing.code()
        issuing.clock.advance(CODE_S - 1)
        assert (await issuing.change(early)).status == 200
        issuing.clock.advance(1)
        assert (await issuing.change(late)).json()["error"] == "invalid_grant"

    asyncio.run(story())


def test_who_was_removed_meanwhile_gets_nothing() -> None:
    async def story() -> None:
        issuing = Issuing()
        await issuing.ada()
        code = await issuing.code()
        token = await issuing.change(await issuing.code())
        await issuing.changing.remove_person("ada")
        assert (await issuing.change(code)).json()["error"] == "invalid_grant"
        with pytest.raises(Unauthenticated):
            await issuing.identity(token)

    asyncio.run(story())


WRONG: list[dict[str, str]] = [
    {"code_challenge": "", "code_challenge_method": ""},
    {"code_challenge": ""},
    {"code_challenge_method": ""},  # plain, where nothing is said
    {"code_challenge_method": "plain"},
    {"code_challenge": "short"},
    {"response_type": "token"},
    {"response_type": "code token"},
    {"response_type": "id_token"},
    {"response_type": ""},
    {"scope": "everything"},
]


def test_what_is_wrong_with_a_request_is_told_to_its_client_with_who_says_so() -> None:
    async def story() -> None:
        issuing = Issuing()
        for changed in WRONG:
            page = await issuing.open_page(**changed)
            assert page.reply.status == 303, changed
            assert page.reply.headers["location"].startswith(REDIRECT)
            told = returned(page.reply)
            assert told["error"] in ("invalid_request", "unsupported_response_type", "invalid_scope")
            assert (told["iss"], told["state"], "code" in told) == (HERE, "s1", False)

    asyncio.run(story())


NOT_THE_CLIENTS: list[dict[str, str]] = [
    {"redirect_uri": "https://evil.example.org/"},
    {"redirect_uri": "http://127.0.0.1.evil.example.org:40123/"},
    {"redirect_uri": "http://127.0.0.1:40123/other"},
    {"redirect_uri": "http://127.0.0.1:40123/?code=x"},
    {"redirect_uri": "http://127.0.0.1:40123/#"},
    {"redirect_uri": "http://user@127.0.0.1:40123/"},
    {"redirect_uri": "http://127.0.0.1:0/"},
    {"redirect_uri": "http://127.0.0.1:99999/"},
    {"redirect_uri": "http://localhost:40123/"},
    {"redirect_uri": "https://127.0.0.1:40123/"},
    {"redirect_uri": 'http://127.0.0.1:40123/"<script>'},
    {"redirect_uri": "javascript:alert(1)"},
    {"redirect_uri": ""},
    {"client_id": "nobody"},
    {"client_id": ""},
]


def test_a_browser_is_not_sent_to_an_address_that_is_not_the_clients() -> None:
    async def story() -> None:
        issuing = Issuing()
        for changed in NOT_THE_CLIENTS:
            page = await issuing.open_page(**changed)
            assert (page.reply.status, "location" in page.reply.headers) == (400, False), changed
            assert "<script" not in page.text

    asyncio.run(story())


def test_a_parameter_that_comes_twice_is_refused() -> None:
    async def story() -> None:
        address = f"/oauth/authorize?{query_of()}&redirect_uri=https://evil.example.org/"
        reply = await request(Issuing().app, "GET", address)
        assert (reply.status, "location" in reply.headers) == (400, False)

    asyncio.run(story())


def test_a_client_that_people_do_not_log_in_for_has_no_page() -> None:
    async def story() -> None:
        issuing = Issuing()
        made = await issuing.client()
        page = await issuing.open_page(client_id=made.client.client_id)
        assert page.reply.status == 400

    asyncio.run(story())


def test_the_answer_says_who_gives_it_so_that_issuers_are_not_mixed_up() -> None:
    async def story() -> None:
        for stated, said in (("dissonance-local", HERE), ("https://id.example.org", "https://id.example.org")):
            issuing = Issuing(stated)
            await issuing.ada()
            reply = await (await issuing.open_page()).send(name="ada", password=PASSWORD)
            described = (await request(issuing.app, "GET", "/.well-known/oauth-authorization-server")).json()
            assert returned(reply)["iss"] == described["issuer"] == said
            assert returned(reply)["state"] == "s1"
            assert described["token_endpoint"] == f"{said}/oauth/token"

    asyncio.run(story())


def test_the_published_key_is_the_one_that_tokens_are_signed_with() -> None:
    async def story() -> None:
        import jwt

        issuing = Issuing()
        token = (await issuing.token({"grant_type": "client_credentials"}, await issuing.client())).json()
        [key] = (await request(issuing.app, "GET", "/oauth/keys")).json()["keys"]
        header = jwt.get_unverified_header(token["access_token"])
        signed_by, untimed = jwt.PyJWK(key, "ES256"), {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token["access_token"], signed_by, ["ES256"], audience="dissonance", options=untimed)
        assert (header["kid"], header["typ"]) == (key["kid"], "at+jwt")
        assert "d" not in key
        assert claims["iss"] == "dissonance-local"

    asyncio.run(story())
