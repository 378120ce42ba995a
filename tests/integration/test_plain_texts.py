"""A database of before values were sealed: they are sealed once, wherever they are, and are gone from its files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from dissonance.adapters.clock import SystemRandomness
from dissonance.adapters.embedded.addresses import EngineAddresses
from dissonance.adapters.keys.folder import KeyFolder
from dissonance.adapters.postgres.migrate import migrate
from dissonance.adapters.postgres.plain_texts import PLACES, Place, Sealing, seal_plain_texts
from dissonance.adapters.postgres.sealed_texts import EVIDENCE, JSON, TEXTS
from dissonance.bootstrap_databases import prepare_databases
from dissonance.cli import run
from dissonance.security.text_seal import MARK, TextSeal
from dissonance.settings import Settings
from support.database import execute, execute_all, fresh_database, rows

SEAL = TextSeal(bytes(range(64)))
CANARY = "zq7Canary0fBefore"
TASK = b"'00000000-0000-7000-8000-000000000001'"
JSON_BODY = b'\'{"said": "zq7Canary0fBefore"}\''
BEFORE = (
    b"INSERT INTO tasks VALUES (%s, 'old', 1, %s)" % (TASK, JSON_BODY),
    b"INSERT INTO rollouts (task_id, rollout_id, revision, phase, body) VALUES (%s, %s, 1, 'over', %s)"
    % (TASK, TASK, JSON_BODY),
    b"INSERT INTO untold_rollouts (task_id, event_id, saved_us, body) VALUES (%s, 'e', 1, %s)" % (TASK, JSON_BODY),
    b"INSERT INTO findings (task_id, code, subject, severity, first_seen_us, body) VALUES (%s, 'c', 's', 1, 1, %s)"
    % (TASK, JSON_BODY),
    b"INSERT INTO windows (task_id, window_id, revision, start_us, end_us, rows, labelled, mean_doubt, mean_dissonance,"
    b" share_over_target, estimated_accuracy, closed, saved_at_us, slices)"
    b" VALUES (%s, 'w', 1, 0, 1, 1, 0, 0, 0, 0, 1, true, 1, %s)" % (TASK, JSON_BODY),
    b"INSERT INTO window_estimates VALUES (%s, 'w', %s, 1)" % (TASK, JSON_BODY),
    b"INSERT INTO policies VALUES (%s, 1, '{}', 'zq7Canary0fBefore', 'ada', 1), (%s, 2, '{}', '', 'ada', 1)"
    % (TASK, TASK),
    b"SELECT make_week(0, '00000000-0000-7000-8000-000000000000', '00000000-ffff-7000-8000-000000000000')",
    b"INSERT INTO labels (prediction_id, task_id, labelled_at_us, is_right, source, sealed)"
    b" SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, %s, 1, true, 'zq7Canary0fBefore', ''"
    b" FROM generate_series(1, 5) n" % TASK,
    b"INSERT INTO revocations VALUES ('holder', 'eve', 1, 'ada', 'zq7Canary0fBefore')",
    b"INSERT INTO update_judgements VALUES (%s, 'e', 1, 'zq7Canary0fBefore')" % TASK,
    b"INSERT INTO verdict_log VALUES (%s, 1, '', '', 'zq7Canary0fBefore'), (%s, 2, '', '', 'figures')" % (TASK, TASK),
    b"INSERT INTO decisions VALUES (%s, 1, 'd', 'c', 'update', 1, 1)" % TASK,
)
VALUES = sql.SQL("SELECT {column} FROM {table}")
IN_FILE = sql.SQL("SELECT position({canary}::bytea IN pg_read_binary_file(pg_relation_filepath({relation}))) > 0")


@pytest.fixture
def old(engines: EngineAddresses) -> Iterator[str]:
    with fresh_database(engines.database_url) as url:
        migrate(url)
        execute_all(url, *BEFORE)
        yield url


def values(url: str, place: Place) -> list[str]:
    """As a reader of the store has them."""
    column = sql.SQL(place.kind.value).format(column=sql.Identifier(place.column))
    found = rows(url, VALUES.format(column=column, table=sql.Identifier(place.table)))
    opened = [SEAL.open(value) for (value,) in found]
    return sorted(value.decode() if isinstance(value, bytes) else str(value) for value in opened)


def is_in_files(url: str) -> set[str]:
    """Places whose tables' files hold the canary."""
    execute(url, sql.SQL("CHECKPOINT"))
    found = set()
    for place in PLACES:
        relation = "labels_week_0" if place.table == "labels" else place.table
        ((there,),) = rows(url, IN_FILE.format(canary=sql.Literal(CANARY), relation=sql.Literal(relation)))
        found |= {place.name} if there else set()
    return found


def in_plain(url: str) -> set[object]:
    return {place for (place,) in rows(url, sql.SQL("SELECT texts_in_plain()"))}


def test_every_value_of_before_is_sealed_reads_as_it_did_and_is_gone_from_the_files(old: str) -> None:
    every = {place.name for place in PLACES}
    before = {place.name: values(old, place) for place in PLACES}
    assert in_plain(old) == is_in_files(old) == every
    told: list[tuple[int, int]] = []

    sealing = seal_plain_texts(old, SEAL, follow=lambda done, total: told.append((done, total)))

    assert sealing.sealed == {name: 5 if name == "labels.source" else 1 for name in every}
    assert sealing.left == []
    assert is_in_files(old) == in_plain(old) == set()
    assert {place.name: values(old, place) for place in PLACES} == before
    assert told[-1] == (15, 15)
    assert rows(old, sql.SQL("SELECT evidence FROM verdict_log WHERE link = 2")) == [(b"figures",)]
    assert seal_plain_texts(old, SEAL) == Sealing({}, [], [])


def test_what_is_cut_short_or_in_use_is_told_of_and_done_by_the_next_call(old: str) -> None:
    with psycopg.connect(old) as writer:
        writer.execute("SELECT FROM policies WHERE version = 1 FOR UPDATE")
        first = seal_plain_texts(old, SEAL, most_rows=9, most_bytes=0)
        second = seal_plain_texts(old, SEAL, most_bytes=0)
    assert sum(first.sealed.values()) == 9
    assert second.cleared == []
    assert {"policies.reason", "old rows of labels_week_0", "old rows of tasks"} < set(second.left)
    assert not {"labels.source", "tasks.body"} & set(second.left)

    last = seal_plain_texts(old, SEAL)

    assert last.sealed == {"policies.reason": 1}
    assert {"tasks", "labels_week_0", "policies"} < set(last.cleared)
    assert last.left == []
    assert is_in_files(old) == set()


def test_week_that_retention_dropped_need_not_be_cleared(old: str) -> None:
    seal_plain_texts(old, SEAL, most_bytes=0)
    execute_all(old, b"DROP TABLE labels_week_0")

    assert seal_plain_texts(old, SEAL).left == []


def test_places_are_all_that_the_store_seals_and_know_its_mark() -> None:
    columns = sum(map(len, [*JSON.values(), *TEXTS.values()]))
    shared = {"insert_rollout", "update_rollout", "insert_policy", "insert_first_policy"}  # two queries, one column
    assert EVIDENCE
    assert len(PLACES) == columns + 1 - len(shared) // 2
    assert all(MARK in place.kind.plain for place in PLACES if not place.kind.as_json)


def test_up_and_the_command_seal_what_is_there_under_the_key_of_the_key_folder(
    all_engines: EngineAddresses,
    all_engines_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, settings = all_engines.database_url, Settings(data=str(all_engines_folder))
    keys = KeyFolder.open_or_create(all_engines_folder / "keys", SystemRandomness())
    reason = b"INSERT INTO revocations VALUES ('holder', '%s', 1, 'ada', 'before')"

    execute_all(url, reason % b"gone-1")
    asyncio.run(prepare_databases(settings, all_engines, keys))
    assert "revocations.reason" not in in_plain(url)

    execute_all(url, reason % b"gone-2")
    assert run(["database", "seal", "--data", str(all_engines_folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sealed"]["revocations.reason"] == 1

    execute_all(url, reason % b"gone-3")
    with psycopg.connect(url) as writer:
        writer.execute("SELECT FROM revocations WHERE value = 'gone-3' FOR UPDATE")
        assert run(["database", "seal", "--data", str(all_engines_folder), "--json"]) == 1
    assert "revocations.reason" in json.loads(capsys.readouterr().out)["left"]
    assert run(["database", "seal", "--data", str(all_engines_folder)]) == 0
    stored = rows(url, sql.SQL("SELECT reason FROM revocations WHERE value LIKE 'gone-_'"))
    assert len({value for (value,) in stored}) == 1
    assert str(stored[0][0]).startswith(MARK)
