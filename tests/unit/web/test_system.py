from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from dissonance.adapters.memory.clock import FixedClock
from dissonance.errors import EngineUnavailable
from dissonance.ports.breaker import Breakers
from dissonance.web.health import KEPT_US, Health, require_answer
from support.access import LocalAccess
from support.api import echo_app
from support.asgi import call, request


class Role:
    """A readiness check that counts how often it was asked."""

    def __init__(self, why: str = "") -> None:
        self.why = why
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.why:
            raise EngineUnavailable(self.why, where="PostgreSQL", fix="start it")


def operator_sees(path: str, **settings: Any) -> Any:
    access = LocalAccess()
    return call(echo_app(access, **settings), "GET", path, headers=access.header("operator"))


def test_a_process_is_alive_while_its_roles_are_not_ready() -> None:
    app = echo_app(LocalAccess(), health={"proposer": Role("no").check})
    assert call(app, "GET", "/livez").json() == {"alive": True}


def test_it_is_ready_when_every_role_is() -> None:
    reply = call(echo_app(LocalAccess(), health={"gate": Role().check}), "GET", "/readyz")
    assert (reply.status, reply.json()) == (200, {"ready": True, "roles": {"gate": {"ready": True}}})


def test_one_role_that_is_not_ready_makes_it_503_and_says_why() -> None:
    health = {"gate": Role().check, "learner": Role("PostgreSQL does not answer").check}
    reply = call(echo_app(LocalAccess(), health=health), "GET", "/readyz")
    assert reply.status == 503
    assert reply.json() == {
        "ready": False,
        "roles": {
            "gate": {"ready": True},
            "learner": {"ready": False, "why": "PostgreSQL does not answer", "fix": "start it"},
        },
    }


def test_engines_that_are_not_asked_are_named_while_all_roles_are_ready() -> None:
    breakers = Breakers(FixedClock())
    breakers.make("keys database").failed()
    breakers.make("MLflow")
    app = echo_app(LocalAccess(), health={"proposer": Role().check}, engines=breakers.states)
    reply = call(app, "GET", "/readyz")
    assert reply.status == 200
    assert reply.json()["engines"] == {"keys database": "not asked", "MLflow": "in use"}


def test_many_probes_at_once_ask_each_role_once_and_again_when_the_answer_is_old() -> None:
    access, role = LocalAccess(), Role()
    app = echo_app(access, health={"gate": role.check})

    async def probe() -> None:
        await asyncio.gather(*(request(app, "GET", "/readyz") for _ in range(20)))
        assert role.asked == 1
        role.why = "gone"
        access.clock.advance(KEPT_US / 1e6)
        assert (await request(app, "GET", "/readyz")).status == 503

    asyncio.run(probe())
    assert role.asked == 2


def test_a_check_that_hangs_counts_as_not_ready() -> None:
    health = Health({"gate": asyncio.Event().wait}, FixedClock(), timeout_s=0.01)  # type: ignore[dict-item]
    readiness = asyncio.run(health.readiness())
    assert not readiness.ready
    assert readiness.roles["gate"].why == "no answer within 0.01 s"


def test_an_engine_that_says_nothing_is_named_even_when_its_driver_does_not_let_go() -> None:
    """As psycopg, which asks the server to cancel before it lets itself be cancelled."""
    held = asyncio.Event()

    async def holding_on() -> None:
        try:
            await held.wait()
        except asyncio.CancelledError:
            await held.wait()

    async def scenario() -> None:
        check = partial(require_answer, "NATS", holding_on, 0.01)
        readiness = await Health({"gate": check}, FixedClock()).readiness()
        assert (readiness.ready, readiness.roles["gate"].why) == (False, "NATS does not answer")
        held.set()

    asyncio.run(scenario())


def test_an_engine_that_answers_is_believed() -> None:
    async def missing() -> None:
        raise EngineUnavailable("streams are missing", fix="look")

    async def fine() -> None:
        return None

    asyncio.run(require_answer("NATS", fine))
    with pytest.raises(EngineUnavailable, match="streams are missing"):
        asyncio.run(require_answer("NATS", missing))


def test_the_configuration_shows_settings_and_no_secret() -> None:
    settings = {
        "http_port": 8080,
        "database_url": "postgresql://ada:hunter2@db:5432/x?sslpassword=hunter2&a=b",
        "keys_database_url": "host=db user=ada password='hunter2 and more' dbname=x",
        "broker_password": "hunter2",
        "inner": {"client_secret": "hunter2", "urls": ["nats://:hunter2@a:1"]},
        "key_folder": "",
        "token_audience": "dissonance",
    }
    reply = operator_sees("/config", configuration=settings)
    assert b"hunter2" not in reply.body
    assert b"and more" not in reply.body
    shown = reply.json()["settings"]
    assert shown["http_port"] == 8080
    assert shown["database_url"] == "postgresql://***@db:5432/x?sslpassword=***&a=b"
    assert shown["keys_database_url"] == "host=db user=ada password=*** dbname=x"
    assert shown["token_audience"] == "dissonance"


def test_metrics_count_by_route_template_and_never_by_path() -> None:
    access = LocalAccess()
    app = echo_app(access)
    headers = {**access.header(), "content-type": "application/json"}
    for task in ("census", "loans"):
        call(app, "POST", f"/v1/tasks/{task}/check", headers=headers, body=b'{"rows": []}')
    call(app, "GET", "/some/stray/path", headers=headers)
    call(app, "BREW", "/another/path", headers=headers)
    reply = call(app, "GET", "/metrics", headers=access.header("operator"))
    text = reply.body.decode()
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    requests = 'dissonance_http_requests_total{method="POST",route="/v1/tasks/{task}/check",status="200"} 2.0'
    assert requests in text
    assert 'method="GET",route="unknown",status="404"} 1.0' in text
    assert 'method="OTHER",route="unknown",status="404"} 1.0' in text
    assert "census" not in text
    assert "stray" not in text


def test_every_answer_carries_a_request_id_and_safe_headers() -> None:
    app = echo_app(LocalAccess())
    first, second = call(app, "GET", "/livez"), call(app, "GET", "/nowhere")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    for reply in (first, second):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_request_id_that_is_no_plain_word_is_replaced() -> None:
    app = echo_app(LocalAccess())
    for given in ("a b", "x" * 65, "<script>", 'q"', ""):
        assert call(app, "GET", "/livez", headers={"x-request-id": given}).headers["x-request-id"] != given
    assert call(app, "GET", "/livez", headers={"x-request-id": "Abc-1._"}).headers["x-request-id"] == "Abc-1._"
