"""The local issuer for people: the page that they log in at, and the code that their browser takes back (RFC 6749
section 4.1, RFC 9700). Nobody stays logged in here: each login asks for the password, so there is no session to steal.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from dissonance.contracts.oauth_api import LoginForm
from dissonance.errors import InputError, LockedOut, Overloaded
from dissonance.ports.authorization import Authorization, Consent, OAuthAnswer, OAuthAsked
from dissonance.ports.clock import Clock
from dissonance.security.people import Person
from dissonance.security.permissions import Permission
from dissonance.web.admission import client_address
from dissonance.web.few_at_once import FewAtOnce
from dissonance.web.forms import FORM_TYPE, parameters_of, read_form
from dissonance.web.login_page import login_page, refusal_page
from dissonance.web.login_proof import LoginProofs, cookie_in, set_cookie
from dissonance.web.oauth import AUTHORIZE, REASONS, issuer_of, note
from dissonance.web.password_check import PasswordCheck
from dissonance.web.routes import ProtectedRouter, Refusals

CANCEL = "cancel"
SEE_OTHER = 303
"""So that no browser sends the password on with the code (RFC 9700 section 4.12)."""

PAGE_TYPE = "text/html"
REFUSALS = Refusals((SEE_OTHER, 400, 413), PAGE_TYPE)
FORM_REFUSALS = Refusals((*REFUSALS.statuses, 403, 415, 429), PAGE_TYPE)
"""A browser is shown a page, or sent back to where it came from."""

WRONG = (
    "Name or password is wrong. Try again; a new password is set by whoever runs this installation, with "
    "dissonance user password."
)
STALE = "The page was too old, or not from here. Log in again."


class Login:
    """What both routes do. Methods take a request that was routed. `few`: those that `authorization` works for."""

    def __init__(
        self,
        authorization: Authorization,
        few: FewAtOnce,
        passwords: PasswordCheck,
        proofs: LoginProofs,
        clock: Clock,
        issuer: str,
    ) -> None:
        self._authorization = authorization
        self._few = few
        self._passwords = passwords
        self._proofs = proofs
        self._clock = clock
        self._issuer = issuer

    async def show(self, request: Request) -> Response:
        try:
            asked = self._asked(request)
        except InputError as error:
            return refusal_page(error.what, error.status)
        consent = await self._consent(asked)
        return self._page(request, consent) if isinstance(consent, Consent) else self._sent(request, consent)

    async def answer(self, request: Request) -> Response:
        try:
            asked, form = self._asked(request), await read_form(request, free=("name", "password"))
        except InputError as error:
            return refusal_page(error.what, error.status)
        consent = await self._consent(asked)
        if not isinstance(consent, Consent):
            return self._sent(request, consent)
        if not self._proofs.holds(cookie_in(request.headers.get("cookie", "")), _query(request), form.get("form", "")):
            return self._page(request, consent, wrong=STALE, status=403)
        if form.get("answer") == CANCEL:
            return self._sent(request, await self._logged_in(asked, None))
        name = form.get("name", "")
        try:
            person = await self._passwords.person(client_address(request.scope), name, form.get("password", ""))
        except LockedOut as error:
            self._note(request, error.status, who="", reason=error.slug)
            wrong = f"{error.title}. Wait {error.retry_after_s:.0f} seconds."
            return self._page(request, consent, name=name, wrong=wrong, status=error.status)
        return await self._judged(request, asked, consent, name, person)

    async def _judged(
        self, request: Request, asked: OAuthAsked, consent: Consent, name: str, person: Person | None
    ) -> Response:
        if person is None:
            self._note(request, 403, who="", reason="unauthenticated")
            return self._page(request, consent, name=name, wrong=WRONG, status=403)
        return self._sent(request, await self._logged_in(asked, person), person.name)

    async def _consent(self, asked: OAuthAsked) -> Consent | OAuthAnswer:
        async with self._few.place():
            return await asyncio.to_thread(self._authorization.consent, asked)

    async def _logged_in(self, asked: OAuthAsked, person: Person | None) -> OAuthAnswer:
        async with self._few.place():
            return await asyncio.to_thread(self._authorization.logged_in, asked, person)

    def _asked(self, request: Request) -> OAuthAsked:
        parameters = parameters_of(request.scope["query_string"])
        return OAuthAsked(issuer_of(request.scope, self._issuer), request.method, parameters)

    def _page(
        self, request: Request, consent: Consent, *, name: str = "", wrong: str = "", status: int = 200
    ) -> Response:
        """With a cookie of its own each time."""
        cookie, query = self._proofs.new_cookie(), _query(request)
        page = login_page(
            client=consent.client_id,
            scope=consent.scope,
            redirect=consent.redirect,
            query=query,
            proof=self._proofs.proof(cookie, query),
            name=name,
            wrong=wrong,
            status=status,
        )
        page.headers["set-cookie"] = set_cookie(cookie)
        return page

    def _sent(self, request: Request, answer: OAuthAnswer, who: str = "") -> Response:
        reason = REASONS.get(answer.error, "")
        if who or reason:
            self._note(request, SEE_OTHER if answer.location else answer.status, who=who, reason=reason)
        if answer.location:
            return Response(status_code=SEE_OTHER, headers={"location": answer.location})
        return refusal_page(str(answer.body.get("error_description") or answer.error), answer.status)

    def _note(self, request: Request, status: int, *, who: str, reason: str) -> None:
        note(request.app.state.trail, self._clock, request.scope, status, who=who, reason=reason)


def login_routes(login: Login) -> ProtectedRouter:
    router = ProtectedRouter()

    @router.protected(
        "GET",
        AUTHORIZE,
        permission=Permission.PUBLIC,
        reply_type=PAGE_TYPE,
        problems=[Overloaded],
        refusals=REFUSALS,
    )
    async def login_page_shown(request: Request) -> Response:
        """The page that people log in at, for a client's request of a code (RFC 6749, with PKCE by S256)."""
        return await login.show(request)

    @router.protected(
        "POST",
        AUTHORIZE,
        permission=Permission.PUBLIC,
        body=LoginForm,
        body_type=FORM_TYPE,
        reply_type=PAGE_TYPE,
        problems=[Overloaded],
        refusals=FORM_REFUSALS,
    )
    async def login_answered(request: Request) -> Response:
        """What the page sends: back to the client with a code, or the page again."""
        return await login.answer(request)

    return router


def _query(request: Request) -> str:
    query: bytes = request.scope["query_string"]
    return query.decode("latin-1")
