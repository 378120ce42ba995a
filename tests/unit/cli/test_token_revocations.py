"""`dissonance token revoke` and `key`: what they take and show; the commands themselves run on a system."""

from __future__ import annotations

import io

import msgspec
import pytest
from typer.testing import CliRunner

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.cli.token import app
from dissonance.cli.token_keys import key_line
from dissonance.cli.token_revocations import id_of, revocation_line, what_is_meant
from dissonance.errors import InputError
from dissonance.security.api_keys import ApiKey, new_secret
from dissonance.security.revocations import CredentialList, Revocation, Revoked
from support.access import LocalAccess

SECRET = new_secret(SeededRandomness(1))
KEY = ApiKey(
    key_id=SECRET.key_id,
    name="batch",
    digest=SECRET.digest,
    scope=("labels:write",),
    tasks=("*",),
    created_at_us=0,
    expires_at_us=1_000_000,
    by="ada",
)


def revocation(value: str) -> Revocation:
    return Revocation(what=Revoked.TOKEN, value=value, revoked_at_us=0, by="ada", reason="lost")


@pytest.mark.parametrize("arguments", [(None, None), ("one", "ada")])
def test_one_thing_is_revoked_at_a_time(arguments: tuple[str | None, str | None]) -> None:
    with pytest.raises(InputError):
        what_is_meant(*arguments, io.StringIO())


def test_a_credential_that_leaked_is_read_from_stdin() -> None:
    access = LocalAccess()
    token = access.token()
    for credential, token_id in ((token, access.verifier.verify(token).token_id), (SECRET.text, SECRET.key_id)):
        assert what_is_meant("-", None, io.StringIO(credential + "\n")) == (Revoked.TOKEN, token_id)


def test_a_token_without_an_id_is_revoked_by_its_digest() -> None:
    access = LocalAccess()
    token = access.forged(without="jti")
    assert len(id_of(token)) == 64


def test_what_is_no_credential_has_no_id() -> None:
    with pytest.raises(InputError, match="no token"):
        id_of("nonsense")


def test_a_line_says_what_was_revoked_when_and_why() -> None:
    line = revocation_line(revocation("one"))
    assert (line.what, line.value, line.by, line.reason) == ("token", "one", "ada", "lost")
    assert line.revoked_at == "1970-01-01T00:00:00.000000Z"


def test_a_key_is_valid_then_expired_or_revoked_and_its_secret_is_never_shown() -> None:
    nothing, revoked = CredentialList(), CredentialList([revocation(KEY.key_id)])
    states = [
        key_line(KEY, listed, now_us).state for listed, now_us in ((nothing, 0), (nothing, 1_000_000), (revoked, 0))
    ]
    assert states == ["valid", "expired", "revoked"]
    shown = msgspec.json.encode(key_line(KEY, nothing, 0)).decode()
    assert SECRET.text not in shown and SECRET.digest.hex() not in shown


def test_a_command_that_names_both_an_id_and_a_holder_changes_nothing() -> None:
    result = CliRunner().invoke(app, ["revoke", "one", "--subject", "ada"])
    assert isinstance(result.exception, InputError)
