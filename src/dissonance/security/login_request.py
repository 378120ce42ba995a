"""One login from a program on somebody's computer: what it asks the browser to do, and whether to believe what comes
back (RFC 6749 section 4.1, RFC 7636, RFC 8252, RFC 9207).

>>> request = LoginRequest("https://id.example.org", "https://id.example.org/a", "http://127.0.0.1:9/", "v" * 43, "s")
>>> request.code_in("code=c&state=s&iss=https%3A%2F%2Fid.example.org")
'c'
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode

from dissonance.errors import Forbidden, Unauthenticated
from dissonance.security.identity import Randomness
from dissonance.security.oauth_clients import COMMAND_LINE
from dissonance.security.secret_texts import base64url

VERIFIER_BYTES = 32
STATE_BYTES = 16


class LoginRequest(NamedTuple):
    """`redirect`: where this program listens. `verifier` proves at the end that it is the one that began (PKCE);
    `state` that the browser comes back from this login and no other."""

    issuer: str
    endpoint: str
    redirect: str
    verifier: str
    state: str
    scope: str = ""

    @property
    def address(self) -> str:
        """Where the browser is sent."""
        challenge = base64url(hashlib.sha256(self.verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": COMMAND_LINE.client_id,
            "redirect_uri": self.redirect,
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"scope": self.scope} if self.scope else {}),
        }
        return f"{self.endpoint}?{urlencode(asked)}"

    def code_in(self, query: str) -> str:
        """Raises `Unauthenticated` for an answer that is not to this request or of another issuer, `Forbidden` for a
        no."""
        said = parse_qs(query)
        if said.get("state") != [self.state] or said.get("iss") != [self.issuer]:
            raise Unauthenticated(
                "what the browser came back with is no answer to this login", where="login", fix="begin again"
            )
        if "error" in said or len(said.get("code", ())) != 1:
            why = said.get("error", ["no code"])[0]
            raise Forbidden(f"nobody was logged in: {why[:60]}", where=self.issuer, fix="dissonance login, once more")
        return said["code"][0]

    def token_form(self, code: str) -> dict[str, str]:
        """What the code is changed for a token with."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "client_id": COMMAND_LINE.client_id,
            "code_verifier": self.verifier,
        }


def new_login(issuer: str, endpoint: str, redirect: str, scope: str, randomness: Randomness) -> LoginRequest:
    verifier = base64url(randomness.token(VERIFIER_BYTES))
    return LoginRequest(issuer, endpoint, redirect, verifier, randomness.token(STATE_BYTES).hex(), scope)


def refresh_form(refresh_token: str) -> dict[str, str]:
    """What a refresh token is changed for the next token with."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": COMMAND_LINE.client_id}


def give_back_form(refresh_token: str) -> dict[str, str]:
    """What a login is ended with."""
    return {"token": refresh_token, "token_type_hint": "refresh_token", "client_id": COMMAND_LINE.client_id}
