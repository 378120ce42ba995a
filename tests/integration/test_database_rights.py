"""Each part of the system at a real PostgreSQL: what its role executes it may, and what is another's it may not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.postgres.granting import grant_rights
from dissonance.adapters.postgres.migrate import Schema, head, migrate
from dissonance.adapters.postgres.queries import load_queries
from dissonance.adapters.postgres.rights import MLFLOW, TABLES, parts_in, rights_of, role_of
from dissonance.contracts.bus_needs import ROLE_NEEDS, SEVERAL
from support.database import execute, fresh_database, rows
from support.parts import seen_by
from support.statements import of_role

FILES = {Schema.EXPERIENCE: "queries.sql", Schema.DATA_SUBJECT_KEYS: "keys.sql"}
VERBS = {
    "SELECT": "SELECT FROM {}",
    "INSERT": "INSERT INTO {} DEFAULT VALUES",
    "UPDATE": "UPDATE {} SET {} = {}",
    "DELETE": "DELETE FROM {}",
}
TABLE_NAMES = sql.SQL(
    "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')"
    " AND NOT c.relispartition"
)
COLUMNS = sql.SQL(
    "SELECT table_name, min(column_name) FROM information_schema.columns"
    " WHERE table_schema = 'public' AND is_identity = 'NO' GROUP BY table_name"
)
A_WEEK = sql.SQL("SELECT make_week(0, '00000000-0000-7000-8000-000000000000', '00000000-ffff-7000-8000-000000000000')")
"""Where a table has no partition, the planner leaves out what is joined to it, and its rights are not asked for."""

Addresses = dict[Schema, str]
AnyConnection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def addresses(engines: EngineAddresses) -> Iterator[Addresses]:
    """Two databases of this test's own, migrated, with the rights granted."""
    with fresh_database(engines.database_url) as store, fresh_database(engines.keys_database_url) as keys:
        given = {Schema.EXPERIENCE: store, Schema.DATA_SUBJECT_KEYS: keys}
        for schema, url in given.items():
            migrate(url, schema)
            grant_rights(url, schema)
        execute(store, A_WEEK)
        yield given


def statements_of(role: str, schema: Schema) -> dict[str, bytes]:
    names = of_role(role)[list(Schema).index(schema)]
    assert "revision" in names
    every = load_queries(FILES[schema])
    return {name: every[name] for name in sorted(names)}


def is_refused(connection: AnyConnection, statement: bytes) -> bool:
    """Plans it and checks rights as executing it would, and touches no row."""
    numbers: dict[bytes, bytes] = {}
    placed = re.sub(rb"%\((\w+)\)s", lambda found: numbers.setdefault(found[1], b"$%d" % (len(numbers) + 1)), statement)
    try:
        with connection.transaction():
            connection.execute(b"EXPLAIN (GENERIC_PLAN) " + placed.replace(b"%%", b"%"), prepare=False)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


@pytest.mark.parametrize("schema", Schema)
def test_every_table_has_a_line(addresses: Addresses, schema: Schema) -> None:
    assert {name for (name,) in rows(addresses[schema], TABLE_NAMES)} == TABLES[schema].keys()


@pytest.mark.parametrize("schema", Schema)
@pytest.mark.parametrize("role", ROLE_NEEDS)
def test_role_may_execute_every_statement_that_it_executes(addresses: Addresses, role: str, schema: Schema) -> None:
    with psycopg.connect(seen_by(addresses[schema], role), autocommit=True) as connection:
        found = [name for name, text in statements_of(role, schema).items() if is_refused(connection, text)]
    assert found == []


@pytest.mark.parametrize("schema", Schema)
@pytest.mark.parametrize("role", ROLE_NEEDS)
def test_role_has_no_right_that_no_statement_of_it_needs(addresses: Addresses, role: str, schema: Schema) -> None:
    statements = statements_of(role, schema)
    named = sql.Identifier(role_of(role))
    surplus = []
    with psycopg.connect(addresses[schema], autocommit=True) as owner:
        for table, privileges in rights_of(schema, role).items():
            about = [text for text in statements.values() if re.search(rb"\b%s\b" % table.encode(), text)]
            for privilege in privileges:
                with owner.transaction(force_rollback=True):
                    owner.execute(f"REVOKE {privilege} ON {table} FROM {role_of(role)}".encode())
                    owner.execute(sql.SQL("SET LOCAL ROLE {}").format(named))
                    if not any(is_refused(owner, text) for text in about):
                        surplus.append(f"{table}: {privilege}")
    assert surplus == []


def test_mlflow_may_execute_what_its_server_asks_of_our_database(addresses: Addresses) -> None:
    every = load_queries(FILES[Schema.EXPERIENCE])
    with psycopg.connect(seen_by(addresses[Schema.EXPERIENCE], MLFLOW), autocommit=True) as connection:
        assert not any(is_refused(connection, every[name]) for name in ("credential_changes", "revocations"))


@pytest.mark.parametrize(("schema", "part"), [(schema, part) for schema in Schema for part in parts_in(schema)])
def test_part_has_no_right_that_is_not_declared(addresses: Addresses, part: str, schema: Schema) -> None:
    declared = rights_of(schema, part)
    surplus = []
    with psycopg.connect(seen_by(addresses[schema], part), autocommit=True) as connection:
        for table, column in rows(addresses[schema], COLUMNS):
            for verb, text in VERBS.items():
                place, name = sql.Identifier(str(table)), sql.Identifier(str(column))
                statement = sql.SQL(text).format(place, name, name).as_string().encode()
                if any(each.startswith(verb) for each in declared.get(str(table), ())):
                    continue
                if not is_refused(connection, statement):
                    surplus.append(f"{verb} {table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine (n int)")
    assert surplus == []


@pytest.mark.parametrize(
    ("part", "schema", "statement"),
    [
        ("proposer", Schema.EXPERIENCE, "SELECT sealed FROM labels"),
        ("proposer", Schema.EXPERIENCE, "SELECT sealed FROM experience"),
        ("proposer", Schema.EXPERIENCE, "SELECT sealed FROM reference_rows"),
        ("proposer", Schema.EXPERIENCE, "DELETE FROM revocations"),
        ("proposer", Schema.EXPERIENCE, "INSERT INTO api_keys DEFAULT VALUES"),
        ("proposer", Schema.EXPERIENCE, "INSERT INTO verdict_log DEFAULT VALUES"),
        ("proposer", Schema.EXPERIENCE, "UPDATE chain_heads SET link = 0"),
        ("proposer", Schema.DATA_SUBJECT_KEYS, "DELETE FROM data_subject_keys"),
        ("proposer", Schema.DATA_SUBJECT_KEYS, "INSERT INTO key_encryption_keys DEFAULT VALUES"),
        (SEVERAL, Schema.DATA_SUBJECT_KEYS, "DELETE FROM data_subject_keys"),
        (SEVERAL, Schema.DATA_SUBJECT_KEYS, "DELETE FROM destroyed_keys"),
        (SEVERAL, Schema.DATA_SUBJECT_KEYS, "UPDATE key_check SET sealed = ''"),
        (SEVERAL, Schema.EXPERIENCE, "DELETE FROM erasures"),
        (SEVERAL, Schema.EXPERIENCE, "DELETE FROM tasks"),
        (SEVERAL, Schema.EXPERIENCE, "DELETE FROM accesses"),
        (SEVERAL, Schema.EXPERIENCE, "UPDATE reference_rows SET split = 'golden'"),
        (SEVERAL, Schema.EXPERIENCE, "CREATE TABLE mine (n int)"),
        ("critic", Schema.EXPERIENCE, "INSERT INTO verdicts DEFAULT VALUES"),
        ("critic", Schema.EXPERIENCE, "SELECT texts_in_plain()"),
        ("auditor", Schema.EXPERIENCE, "SELECT FROM texts_to_clear"),
        ("critic", Schema.EXPERIENCE, "SELECT make_week(1, gen_random_uuid(), gen_random_uuid())"),
        ("learner", Schema.EXPERIENCE, "INSERT INTO verdict_log DEFAULT VALUES"),
        ("learner", Schema.EXPERIENCE, "UPDATE tasks SET name = 'mine'"),
        ("gate", Schema.EXPERIENCE, "DELETE FROM verdict_log"),
        ("gate", Schema.EXPERIENCE, "UPDATE verdict_log SET evidence = ''"),
        ("gate", Schema.EXPERIENCE, "INSERT INTO policies DEFAULT VALUES"),
        ("gate", Schema.EXPERIENCE, "SELECT drop_week(1, gen_random_uuid(), 0)"),
        ("auditor", Schema.DATA_SUBJECT_KEYS, "SELECT wrapped FROM data_subject_keys"),
    ],
)
def test_part_that_is_taken_over_cannot(addresses: Addresses, part: str, schema: Schema, statement: str) -> None:
    with (
        psycopg.connect(seen_by(addresses[schema], part), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_surplus_is_taken_back_by_whoever_grants_again(addresses: Addresses) -> None:
    url = addresses[Schema.EXPERIENCE]
    execute(url, sql.SQL("GRANT SELECT ON labels TO dissonance_proposer"))
    execute(url, sql.SQL("GRANT EXECUTE ON FUNCTION drop_week(bigint, uuid, bigint) TO dissonance_proposer"))
    grant_rights(url, Schema.EXPERIENCE)
    with psycopg.connect(seen_by(url, "proposer"), autocommit=True) as connection:
        assert is_refused(connection, b"SELECT FROM labels")
        assert is_refused(connection, b"SELECT drop_week(1, gen_random_uuid(), 0)")


def test_who_comes_as_a_part_finds_the_database_at_its_version_without_the_right_to_change_it(
    addresses: Addresses,
) -> None:
    for schema, url in addresses.items():
        assert migrate(seen_by(url, "meta"), schema) == head(schema)
