from __future__ import annotations

import logging
from base64 import b64encode

import pytest

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.errors import Forbidden
from dissonance.security.api_keys import ApiKey, new_secret
from dissonance.security.identity import Identity
from dissonance.security.permissions import ANY_TASK, Permission
from dissonance.security.revocations import CredentialList
from dissonance.security.verifier import API_KEYS
from dissonance.telemetry.logs import FIELDS
from dissonance.telemetry.names import LogAction
from dissonance.web.admission import require
from dissonance.web.preparing import PreparingVerifier
from support.access import LocalAccess, private_key_pem
from support.api import echo_app
from support.asgi import Reply, call

CHECK = "/v1/tasks/census/check"
JSON = {"content-type": "application/json"}


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    lines = [record for record in caplog.records if record.getMessage() == LogAction.CREDENTIAL_REFUSED]
    return [getattr(line, FIELDS) for line in lines]


def post(access: LocalAccess, authorization: str | None, body: bytes = b'{"rows": [{}]}', path: str = CHECK) -> Reply:
    headers = JSON if authorization is None else {**JSON, "authorization": authorization}
    return call(echo_app(access), "POST", path, headers=headers, body=body)


def test_a_token_with_the_permission_and_the_task_is_let_in() -> None:
    access = LocalAccess()
    reply = post(access, f"Bearer {access.token('client', ('census',))}")
    assert (reply.status, reply.json()["task"]) == (200, "census")


def test_the_token_may_come_as_a_password() -> None:
    access = LocalAccess()
    as_password = b64encode(f"token:{access.token('client', ('census',))}".encode()).decode()
    assert post(access, f"Basic {as_password}").status == 200
    assert post(access, f"basic {as_password[:-8]}").status == 401


def test_the_scheme_is_read_in_any_case() -> None:
    access = LocalAccess()
    assert post(access, f"bearer  {access.token()}").status == 200


def test_without_a_token_it_is_401_and_the_body_is_never_read() -> None:
    reply = post(LocalAccess(), None, body=b"this is not json")
    assert (reply.status, reply.json()["type"]) == (401, "urn:dissonance:problem:unauthenticated")
    assert reply.headers["www-authenticate"] == 'Bearer realm="dissonance"'
    assert reply.chunks_read == 0


def test_without_a_token_the_parameters_are_not_validated_either() -> None:
    assert post(LocalAccess(), None, path=f"{CHECK}?repeat=nonsense").status == 401


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Basic",
        "Basic !",
        "Basic /w==",
        "Basic dG9rZW4=",
        "Bearer é",
        "Bearer nonsense",
    ],
)
def test_an_authorization_that_is_no_token_of_ours_is_401(authorization: str) -> None:
    reply = post(LocalAccess(), authorization)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="dissonance", error="invalid_token"'


def test_two_authorization_headers_are_401() -> None:
    access = LocalAccess()
    header = ("authorization", f"Bearer {access.token()}")
    assert call(echo_app(access), "POST", CHECK, headers=[header, header]).status == 401


def test_an_expired_token_is_401() -> None:
    access = LocalAccess()
    token = access.token(lifetime_s=60)
    access.clock.advance(61)
    reply = post(access, f"Bearer {token}")
    assert (reply.status, reply.json()["where"]) == (401, "header Authorization")


def test_a_refused_token_is_told_nothing_and_the_log_why(caplog: pytest.LogCaptureFixture) -> None:
    access = LocalAccess()
    expired, strange = access.token(lifetime_s=60), access.forged(header={"kid": "other"})
    access.clock.advance(61)
    caplog.set_level(logging.INFO)
    told = [post(access, f"Bearer {token}").json() for token in (expired, strange, "nonsense")]
    assert {(each["detail"], each["where"], each["fix"]) for each in told} == {
        (told[0]["detail"], "header Authorization", told[0]["fix"])
    }
    assert [fields["reason"] for fields in logged(caplog)] == ["expired", "key", "malformed"]


def test_forged_tokens_are_401() -> None:
    access = LocalAccess()
    strangers = [
        access.other_issuer(issuer="someone"),
        access.other_issuer(audience="elsewhere"),
        access.other_issuer(pem=private_key_pem(2)),
    ]
    for stranger in strangers:
        token = stranger.issue("client", subject="x", tasks=["*"], lifetime_s=60)
        assert post(access, f"Bearer {token}").status == 401


def test_the_wrong_grant_is_403_and_the_body_is_never_read() -> None:
    access = LocalAccess()
    reply = post(access, f"Bearer {access.token('labeller')}", body=b"this is not json")
    assert (reply.status, reply.json()["type"]) == (403, "urn:dissonance:problem:forbidden")
    assert "insufficient_scope" in reply.headers["www-authenticate"]
    assert "verdicts:read" in reply.json()["detail"]
    assert reply.chunks_read == 0


def test_the_wrong_task_is_403_whether_it_exists_or_not() -> None:
    access = LocalAccess()
    authorization = f"Bearer {access.token('client', ('census',))}"
    for task in ("loans", "nowhere", "census2", "%2A", "*"):
        reply = post(access, authorization, path=f"/v1/tasks/{task}/check")
        assert (reply.status, reply.json()["where"]) == (403, "token tasks")


def test_the_operator_reads_configuration_and_metrics_and_a_client_does_not() -> None:
    access = LocalAccess()
    for path in ("/config", "/metrics", "/openapi.json"):
        assert call(echo_app(access), "GET", path).status == 401
        assert call(echo_app(access), "GET", path, headers=access.header("client")).status == 403
        assert call(echo_app(access), "GET", path, headers=access.header("operator")).status == 200


def test_liveness_and_readiness_need_no_token_and_ignore_a_bad_one() -> None:
    access = LocalAccess()
    for path in ("/livez", "/readyz"):
        assert call(echo_app(access), "GET", path).status == 200
        assert call(echo_app(access), "GET", path, headers={"authorization": "Bearer nonsense"}).status == 200


def test_a_credential_that_is_not_known_yet_is_waited_for_before_it_is_refused() -> None:
    access = LocalAccess()
    made = new_secret(SeededRandomness(3))
    kept = ApiKey(
        key_id=made.key_id,
        name="batch",
        digest=made.digest,
        scope=("verdicts:read",),
        tasks=("census",),
        created_at_us=access.clock.now_us(),
        expires_at_us=access.clock.now_us() + 1_000_000,
        by="ada",
    )

    async def refresh() -> None:
        access.tokens.use(CredentialList((), [kept]))

    access.verifier = PreparingVerifier(access.tokens, {API_KEYS: refresh})
    assert not access.verifier.at_hand(made.text)
    assert post(access, f"Bearer {made.text}").status == 200
    assert access.verifier.at_hand(made.text)
    assert post(access, f"Bearer {made.text[:-2]}xx").status == 401


@pytest.mark.parametrize(
    ("permissions", "tasks", "said"),
    [
        (frozenset[Permission](), frozenset({ANY_TASK}), "does not carry 'configuration:read'"),
        (frozenset({Permission.CONFIGURATION}), frozenset({"census"}), "'configuration:read' is about every task"),
    ],
    ids=["without the permission", "for one task"],
)
def test_a_refusal_names_the_permission_and_the_grants_that_have_it(
    permissions: frozenset[Permission], tasks: frozenset[str], said: str
) -> None:
    """As `GET /openapi.json` asks for it."""
    with pytest.raises(Forbidden, match=said) as refused:
        require(Identity("somebody", permissions, tasks, expires_at_us=1), Permission.CONFIGURATION)
    assert "a grant that has 'configuration:read': of those that ship, operator, auditor, admin" in refused.value.fix
