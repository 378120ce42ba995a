"""Canaries through the local issuer: secrets of clients, passwords, codes, tokens, and what the next of them is for."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from html import unescape
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from dissonance.adapters.clock import SystemRandomness
from dissonance.contracts.oauth_api import TokenReply
from dissonance.drills.encryption.given import TASK
from dissonance.drills.encryption.stage import OK, REFUSED, Stage
from dissonance.errors import EngineError
from dissonance.security.client_assertions import ASSERTION_TYPE
from dissonance.security.login_request import LoginRequest, give_back_form, new_login, refresh_form
from dissonance.security.oauth_clients import COMMAND_LINE
from dissonance.web.forms import FORM_TYPE
from dissonance.web.oauth import AUTHORIZE, REVOKE, TOKEN

REDIRECT: Final = "http://127.0.0.1:1/"
"""Where nobody listens: the drill is the browser, and reads the code from where it is sent."""

SENT_ON: Final = 303
WRONG: Final = frozenset({403, 429})
PROOF: Final = re.compile(r'name="form" value="([^"]*)"')


class Page(NamedTuple):
    """The login page as the browser has it. `address`: where its form goes."""

    address: str
    proof: str
    cookie: str


async def log_in(stage: Stage) -> None:
    """What is right first: what is not brings pauses."""
    await _as_client(stage)
    page = await _as_person(stage)
    await _wrong(stage, page)


async def _as_client(stage: Stage) -> None:
    canaries = stage.canaries
    made = await stage.command("token", "client", "create", "--grant", "client", "--name", "canary", "--task", TASK)
    canaries.known("client, right: secret", made["secret"])
    given = _token(await _post(stage, TOKEN, {"grant_type": "client_credentials"}, (made["id"], made["secret"])))
    canaries.known("client, right: token", given.access_token.rpartition(".")[2])


async def _as_person(stage: Stage) -> Page:
    """Logs in, goes on once, and ends it; the page, for those who are not let in."""
    canaries = stage.canaries
    made = await stage.command("user", "add", "canary", "--grant", "viewer", "--generate")
    canaries.known("login: password", made["password"])
    # The state is the drill's to choose, so that it is a canary.
    login = new_login(stage.running.url("proposer"), AUTHORIZE, REDIRECT, "", SystemRandomness())._replace(
        state=canaries.text("login: state")
    )
    canaries.known("login: verifier", login.verifier)
    page = await _shown(stage, login)
    code = login.code_in(urlsplit(await _sent(stage, page, "canary", made["password"], {SENT_ON})).query)
    canaries.known("login: code", code)
    first = _token(await _post(stage, TOKEN, login.token_form(code)))
    canaries.known("login: token", first.access_token.rpartition(".")[2])
    canaries.known("login: first refresh token", first.refresh_token.split("_", 2)[2])
    second = _token(await _post(stage, TOKEN, refresh_form(first.refresh_token)))
    canaries.known("login: next refresh token", second.refresh_token.split("_", 2)[2])
    await _post(stage, REVOKE, give_back_form(second.refresh_token))
    return page


async def _wrong(stage: Stage, page: Page) -> None:
    canaries = stage.canaries
    await _sent(stage, page, canaries.text("login, wrong: name"), canaries.text("login, wrong: password"), WRONG)
    code = {"code": canaries.text("code, wrong"), "code_verifier": "v" * 43, "redirect_uri": REDIRECT}
    signed = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": canaries.text("assertion, wrong")}
    ours = {"client_id": COMMAND_LINE.client_id}
    for path, fields in (
        (TOKEN, {"grant_type": "authorization_code", **ours, **code}),
        (TOKEN, refresh_form(canaries.text("refresh token, wrong"))),
        (TOKEN, {"grant_type": "client_credentials", **signed}),
        (TOKEN, {"grant_type": canaries.text("token, refused: grant type"), **ours}),
        (TOKEN, {canaries.text("token, refused: member"): "x"}),
        (REVOKE, {"token": canaries.text("revocation, wrong: token")}),
    ):
        await _post(stage, path, fields, expected=REFUSED)
    wrong = (canaries.text("client, wrong: id"), canaries.text("client, wrong: secret"))
    await _post(stage, TOKEN, {"grant_type": "client_credentials"}, wrong, expected=REFUSED)
    body = canaries.raw("token, refused: body")
    await stage.ask(TOKEN, body, headers={"authorization": "", "content-type": FORM_TYPE}, expected=REFUSED)


async def _shown(stage: Stage, login: LoginRequest) -> Page:
    address = stage.running.url("proposer") + login.address
    async with stage.http.get(address) as reply:
        found, cookie = PROOF.search(await reply.text()), reply.headers.get("set-cookie", "").partition(";")[0]
    if found is None:
        raise EngineError(f"status {reply.status}, and no form", where=AUTHORIZE, fix="see the log of the proposer")
    return Page(address, unescape(found[1]), cookie)


async def _sent(stage: Stage, page: Page, name: str, password: str, expected: Collection[int]) -> str:
    """The form, as a browser sends it. Where that leads; empty where the page is shown again."""
    form = {"form": page.proof, "name": name, "password": password, "answer": "log-in"}
    async with stage.http.post(
        page.address, data=form, headers={"cookie": page.cookie}, allow_redirects=False
    ) as reply:
        await reply.read()
    if reply.status not in expected:
        raise EngineError(f"status {reply.status}", where=AUTHORIZE, fix="see the log of the proposer")
    return reply.headers.get("location", "")


async def _post(
    stage: Stage,
    path: str,
    fields: Mapping[str, str],
    client: tuple[str, str] | None = None,
    *,
    expected: Collection[int] = OK,
) -> bytes:
    """`client`: its id and secret."""
    basic = b64encode(":".join(client).encode()).decode() if client else ""
    headers = {"authorization": f"Basic {basic}" if basic else "", "content-type": FORM_TYPE}
    return await stage.ask(path, urlencode(fields).encode(), headers=headers, expected=expected)


def _token(answer: bytes) -> TokenReply:
    return msgspec.json.decode(answer, type=TokenReply)
