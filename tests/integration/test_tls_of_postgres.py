"""A PostgreSQL of others over a network: by TLS 1.3 from a server that shows who it is, or not at all (Debian's, since
the wheel's has no SSL)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy
from psycopg import sql

from dissonance.adapters.clock import SystemClock, SystemRandomness
from dissonance.adapters.embedded.postgres import check_postgres, create_databases
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.postgres.database import Database
from dissonance.adapters.postgres.granting import grant_rights
from dissonance.adapters.postgres.migrate import Schema, migrate
from dissonance.adapters.tls.required import unprotected
from dissonance.bootstrap import addresses_of
from dissonance.bootstrap_databases import Stores, open_databases
from dissonance.contracts.policy import Policy
from dissonance.errors import EngineUntrusted
from dissonance.ports.breaker import Breakers
from dissonance.security.certificates import certificate_of, new_authority
from dissonance.security.tls import Wire
from dissonance.settings import Settings
from support.store import RowMaker
from support.system_postgres import NAME, OWNER, PART, SystemPostgres, system_postgres

ROWS, KEYS = "dissonance", "dissonance_keys"

SEEN = sql.SQL("SELECT DISTINCT usename, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl")


class Place(NamedTuple):
    """`data`: a data folder, in whose key folder is the authority that vouches for the server."""

    server: SystemPostgres
    data: Path

    def settings(self, rows: str, keys: str = "", plain: str = "") -> Settings:
        return Settings(
            data=str(self.data),
            database_url=rows,
            keys_database_url=keys or rows,
            nats_url="tls://elsewhere:4222",
            mlflow_url="https://elsewhere",
            plain_connections=plain,
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data, authority = tmp_path_factory.mktemp("own-postgres"), made_authority()
    KeyFolder.open_or_create(data / "keys", SystemRandomness())
    (data / "keys" / "tls").mkdir()
    (data / "keys" / "tls" / "ca.pem").write_bytes(certificate_of(authority))
    with system_postgres(authority) as server:
        yield Place(server, data)


def made_authority() -> bytes:
    return new_authority(SystemClock().now_us(), SystemRandomness().token)


def test_owner_and_part_work_by_tls_1_3_though_nobody_asked_for_it(place: Place) -> None:
    task = RowMaker("by-tls").task()
    owner = place.settings(place.server.url(ROWS), place.server.url(KEYS))
    part = place.settings(place.server.part_url(ROWS), place.server.part_url(KEYS))

    async def story() -> None:
        given = addresses_of(owner)
        await create_databases(addresses_of(place.settings(place.server.url())).database_url, (ROWS, KEYS))
        async with opened(owner) as stores:
            await stores.store.create(task, Policy())
            assert (OWNER, "TLSv1.3") in place.server.tell(SEEN)
        await asyncio.to_thread(grant_rights, given.database_url, Schema.EXPERIENCE)
        await asyncio.to_thread(grant_rights, given.keys_database_url, Schema.DATA_SUBJECT_KEYS)
        async with opened(part, "critic") as stores:
            assert await stores.store.by_id(task.task_id) == task
            assert (PART, "TLSv1.3") in place.server.tell(SEEN)

    asyncio.run(story())


def opened(settings: Settings, known_as: str = "") -> AbstractAsyncContextManager[Stores]:
    clock, randomness = SystemClock(), SystemRandomness()
    keys = KeyFolder.open_or_create(settings.keys_folder, randomness)
    return open_databases(settings, addresses_of(settings), keys, clock, randomness, Breakers(clock), known_as)


def test_the_driver_of_mlflow_takes_the_address_as_it_is(place: Place) -> None:
    engine = sqlalchemy.create_engine(addresses_of(place.settings(place.server.url())).database_url)
    with engine.connect():
        assert (OWNER, "TLSv1.3") in place.server.tell(SEEN)
    engine.dispose()


@pytest.mark.parametrize(
    ("settings", "address", "fix"),
    [
        ({"ssl": "off"}, NAME, "ssl = on"),
        ({"ssl_max_protocol_version": "TLSv1.2"}, NAME, "TLS 1.3"),
        ({}, "127.0.0.1", "a name that its certificate is for"),
    ],
)
def test_a_server_that_does_not_show_who_it_is_is_not_talked_to(
    place: Place, settings: dict[str, str], address: str, fix: str
) -> None:
    url = addresses_of(place.settings(place.server.url(host=address))).database_url
    with place.server.set_to(**settings), pytest.raises(EngineUntrusted, match=fix) as raised:
        migrate(url)
    assert place.server.password not in str(raised.value)


def test_a_server_that_another_authority_vouches_for_is_not_talked_to(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    with pytest.raises(EngineUntrusted, match="sslrootcert=FILE"):
        migrate(trusting(place, other))
    other.write_bytes(certificate_of(made_authority()))
    with pytest.raises(EngineUntrusted, match="sslrootcert=FILE"):
        migrate(trusting(place, other))


def trusting(place: Place, authority: Path) -> str:
    return addresses_of(place.settings(f"{place.server.url()}?sslrootcert={authority}")).database_url


def test_who_waits_for_a_connection_hears_why_there_is_none(place: Place) -> None:
    database = Database(
        addresses_of(place.settings(place.server.url(host="127.0.0.1"))).database_url,
        queries="queries.sql",
        connections=1,
    )

    async def story() -> None:
        with pytest.raises(EngineUntrusted, match="does not match host name"):
            await database.rows("revision", {})
        await database.close()

    asyncio.run(story())


def test_a_plain_server_is_talked_to_where_a_setting_says_so(place: Place) -> None:
    plain = addresses_of(place.settings(place.server.url(), plain="database"))
    assert unprotected(plain, {Wire.DATABASE}) == (Wire.DATABASE,)
    with place.server.set_to(ssl="off"):
        asyncio.run(check_postgres(plain.database_url))
