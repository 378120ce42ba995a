"""What the local issuer reads and says over HTTP, in the words of OAuth 2 (RFC 6749, RFC 7517, RFC 8414)."""

from __future__ import annotations

import msgspec


class ServerMetadata(msgspec.Struct, frozen=True):
    """RFC 8414 section 2; the last member is of RFC 9207."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    revocation_endpoint: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    response_modes_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_signing_alg_values_supported: list[str]
    code_challenge_methods_supported: list[str]
    authorization_response_iss_parameter_supported: bool


class PublicKey(msgspec.Struct, frozen=True):
    """A key of P-256 that tokens are signed with. `x`, `y`: base64url of 32 bytes each."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    alg: str
    use: str


class KeySet(msgspec.Struct, frozen=True):
    keys: list[PublicKey]


class TokenRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Fields of the form. A client with a secret shows it in the header `Authorization: Basic`; one with a key sends
    what it signed as `client_assertion` (RFC 7523). `scope`: permissions, separated by spaces; all that there are
    without it. `code` to `code_verifier` are of `authorization_code` only, `refresh_token` is of its own grant."""

    grant_type: str
    scope: str = ""
    client_id: str = ""
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    refresh_token: str = ""
    client_assertion_type: str = ""
    client_assertion: str = ""


class RevocationRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Fields of the form (RFC 7009 section 2.1). `token`: a refresh token, of the client that says so."""

    token: str
    token_type_hint: str = ""
    client_id: str = ""
    client_assertion_type: str = ""
    client_assertion: str = ""


class RevocationReply(msgspec.Struct, frozen=True):
    """Nothing: that a token is not there is as good (RFC 7009 section 2.2)."""


class TokenReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """`expires_in`: seconds. `scope`: what the token permits. `refresh_token`: of people's logins; good once, for the
    next token and the next of these."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: str = ""


class OAuthRefusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 6749 section 5.2, and RFC 7009 section 2.2.1."""

    error: str
    error_description: str = ""


class LoginForm(msgspec.Struct, frozen=True):
    """Fields of the page. `form`: the page's own proof that it was this browser's."""

    form: str
    name: str = ""
    password: str = ""
    answer: str = ""
