"""The page that people log in at: what a browser is told, what it may send, and who is put off."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from dissonance.contracts.accesses import Access, Outcome
from dissonance.errors import Overloaded
from dissonance.security.passwords import hashed_password
from dissonance.web.lockout import FREE_OF_ADDRESS
from dissonance.web.password_check import MOST_WAITING, PasswordCheck
from support.asgi import Reply, request
from support.issuing import CHEAP, PASSWORD, Issuing, Page, query_of, returned

SOMEBODY = {"name": "ada", "password": PASSWORD}


async def opened() -> tuple[Issuing, Page]:
    issuing = Issuing()
    await issuing.ada()
    return issuing, await issuing.open_page()


def trail(issuing: Issuing) -> list[Access]:
    taken: list[Access] = issuing.app.state.trail.take(everything=True)
    return taken


def test_the_page_says_who_asks_for_what_and_where_it_leads() -> None:
    async def story() -> None:
        page = await Issuing().open_page(scope="models:read windows:read")
        for told in ("dissonance-command-line", "models:read", "windows:read", "127.0.0.1:40123"):
            assert told in page.text
        assert page.reply.headers["content-type"].startswith("text/html")

    asyncio.run(story())


def test_a_browser_may_do_nothing_with_the_page_but_show_it_and_send_its_form() -> None:
    async def story() -> None:
        page = await Issuing().open_page()
        headers = page.reply.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy.pop("style-src").startswith("'sha256-")
        assert policy == {
            "default-src": "'none'",
            "form-action": "'self' http://127.0.0.1:40123",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
        assert "<script" not in page.text

    asyncio.run(story())


def test_the_cookie_is_of_this_host_alone_by_tls_alone_and_for_no_script() -> None:
    async def story() -> None:
        cookie = (await Issuing().open_page()).reply.headers["set-cookie"]
        name, *attributes = (part.strip() for part in cookie.split(";"))
        assert name.startswith("__Host-")
        assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=900"}

    asyncio.run(story())


def test_the_right_password_sends_the_browser_back_with_a_code_and_is_in_the_trail() -> None:
    async def story() -> None:
        issuing, page = await opened()
        reply = await page.send(**SOMEBODY)
        assert reply.status == 303
        assert returned(reply).keys() == {"code", "state", "iss"}
        [access] = trail(issuing)
        assert (access.who, access.outcome, access.what) == ("ada", Outcome.ALLOWED, "POST /oauth/authorize")

    asyncio.run(story())


def test_a_wrong_password_and_a_name_that_nobody_has_look_the_same() -> None:
    async def story() -> None:
        issuing, page = await opened()
        replies = [await page.send(name=name, password="x") for name in ("ada", "bob", "no name at all", "")]
        assert {each.status for each in replies} == {403}
        assert len({_without(each, page) for each in replies}) == 1
        accesses = trail(issuing)
        assert {(each.outcome, each.reason, each.who) for each in accesses} == {(Outcome.DENIED, "unauthenticated", "")}
        assert sum(each.count for each in accesses) == 4

    asyncio.run(story())


def _without(reply: Reply, page: Page) -> str:
    """The page, but for what differs each time and the name that was typed."""
    text = reply.body.decode()
    return text.partition("<form")[0]


def test_what_was_typed_is_shown_as_text() -> None:
    async def story() -> None:
        _, page = await opened()
        reply = await page.send(name='"><script>alert(1)</script>', password="x")
        assert b"<script" not in reply.body
        assert b"&lt;script" in reply.body

    asyncio.run(story())


def test_whoever_changes_the_mind_goes_back_without_a_code() -> None:
    async def story() -> None:
        _, page = await opened()
        assert returned(await page.send(answer="cancel"))["error"] == "access_denied"

    asyncio.run(story())


@pytest.mark.parametrize(
    "forged",
    [
        {"cookie": ""},
        {"proof": ""},
        {"proof": "0" * 64},
        {"cookie": "__Host-dissonance-login=another"},
        {"cookie": "a=b;;=;"},
    ],
    ids=["no cookie", "no proof", "another proof", "another cookie", "no cookie that can be read"],
)
def test_a_form_that_is_not_of_this_browsers_page_does_nothing(forged: dict[str, str]) -> None:
    async def story() -> None:
        issuing, page = await opened()
        reply = await page.send(**forged, **SOMEBODY)
        assert (reply.status, "location" in reply.headers) == (403, False)
        assert trail(issuing) == []

    asyncio.run(story())


def test_a_form_that_is_sent_to_another_request_does_nothing() -> None:
    async def story() -> None:
        _, page = await opened()
        reply = await page.send(query=query_of(state="of somebody else"), **SOMEBODY)
        assert (reply.status, "location" in reply.headers) == (403, False)

    asyncio.run(story())


def test_a_page_of_one_replica_may_be_sent_to_another() -> None:
    async def story() -> None:
        issuing, page = await opened()
        issuing.app = issuing.replica()
        assert (await page.send(**SOMEBODY)).status == 303

    asyncio.run(story())


def test_after_wrong_guesses_not_even_the_right_password_is_looked_at_for_a_while() -> None:
    async def story() -> None:
        issuing, page = await opened()
        statuses = [(await page.send(name="ada", password="x")).status for _ in range(5)]
        assert statuses == [403, 403, 403, 403, 429]
        assert (await page.send(**SOMEBODY)).status == 429
        issuing.clock.advance(2.0)
        assert (await page.send(**SOMEBODY)).status == 303
        assert "locked-out" in {each.reason for each in trail(issuing)}

    asyncio.run(story())


def test_an_address_that_tries_one_password_on_many_names_is_put_off() -> None:
    async def story() -> None:
        _, page = await opened()
        for number in range(FREE_OF_ADDRESS):
            assert (await page.send(name=f"name{number}", password=PASSWORD)).status == 403
        assert (await page.send(name="another", password=PASSWORD)).status == 429
        assert (await page.send(**SOMEBODY)).status == 429

    asyncio.run(story())


def test_many_guesses_at_once_are_counted_one_by_one() -> None:
    async def story() -> None:
        _, page = await opened()
        replies = await asyncio.gather(*(page.send(name="ada", password=f"guess {each}") for each in range(10)))
        assert sum(each.status == 403 for each in replies) == 4

    asyncio.run(story())


def test_a_flood_of_logins_is_turned_away_before_it_costs_anything() -> None:
    async def story() -> None:
        issuing = Issuing()
        check = PasswordCheck(issuing.store, issuing.clock, hashed_password("nobody's", bytes(16), CHEAP))
        asked = (check.person("192.0.2.1", f"name{each}", "x") for each in range(MOST_WAITING + 24))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert Counter(map(type, answers)) == {type(None): MOST_WAITING, Overloaded: 24}

    asyncio.run(story())


def test_while_the_store_is_away_nobody_is_let_in() -> None:
    async def story() -> None:
        issuing, page = await opened()
        issuing.store.available = False
        assert (await page.send(**SOMEBODY)).status == 503
        assert (await request(issuing.app, "GET", f"/oauth/authorize?{query_of()}")).status == 200

    asyncio.run(story())
