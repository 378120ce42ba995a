"""A revoked token is refused where no role hears of it on the bus: at MLflow, and by commands."""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import pytest

from dissonance.adapters.clock import SystemClock
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.postgres.migrate import migrate
from dissonance.adapters.postgres.store import PostgresStore
from dissonance.cli import run
from dissonance.security.revocations import Revocation, Revoked
from dissonance.security.text_seal import TextSeal
from dissonance.security.tls import client_context
from support.engines import issuer_of


def revoke(engines: EngineAddresses, what: Revoked, value: str) -> None:
    migrate(engines.database_url)

    async def done() -> None:
        store = PostgresStore(engines.database_url, texts=TextSeal(bytes(64)), clock=SystemClock())
        now_us = SystemClock().now_us()
        await store.revoke(Revocation(what=what, value=value, revoked_at_us=now_us, by="test", reason=""))
        await store.close()

    asyncio.run(done())


def mlflow_status(engines: EngineAddresses, token: str) -> int:
    assert engines.tls is not None
    url = f"{engines.mlflow_url}/api/2.0/mlflow/experiments/search?max_results=1"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60, context=client_context(engines.tls)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("what", Revoked)
def test_mlflow_refuses_a_token_that_it_let_in_before_it_was_revoked(
    all_engines: EngineAddresses, all_engines_folder: Path, what: Revoked
) -> None:
    subject = f"leaver-{what}"
    issuer = issuer_of(all_engines_folder)
    token, other = (issuer.issue("viewer", subject=name, tasks=["*"], lifetime_s=300.0) for name in (subject, "stays"))
    assert mlflow_status(all_engines, token) == 200
    token_id = jwt.decode(token, options={"verify_signature": False})["jti"]
    revoke(all_engines, what, subject if what is Revoked.HOLDER else token_id)
    while mlflow_status(all_engines, token) == 200:
        time.sleep(0.1)
    assert mlflow_status(all_engines, token) == 401
    assert mlflow_status(all_engines, other) == 200


def test_commands_refuse_a_token_from_the_moment_on_that_it_is_revoked(
    all_engines: EngineAddresses,
    all_engines_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = issuer_of(all_engines_folder).issue("admin", subject="operator", tasks=["*"], lifetime_s=300.0)
    monkeypatch.setenv("DISSONANCE_DATA", str(all_engines_folder))
    monkeypatch.setenv("DISSONANCE_TOKEN", token)
    assert run(["token", "grants", "--json"]) == 0
    revoke(all_engines, Revoked.HOLDER, "operator")
    assert run(["token", "grants", "--json"]) == 4
    assert run(["status", "--json"]) == 4
    assert "unauthenticated" in capsys.readouterr().out
