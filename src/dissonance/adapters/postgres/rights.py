"""What each part of the system may do in the databases: one PostgreSQL role a part, with these rights only (ADR 63).

Names of parts are those of `contracts.bus_needs.NEEDS`, and `MLFLOW`. The owner of the tables runs migrations and
commands. Tests hold that every table has a line here, and on a real server that each part may execute what its sources
do, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

from dissonance.adapters.postgres.migrate import Schema
from dissonance.contracts.bus_needs import NEEDS, ROLE_NEEDS, SEVERAL

MLFLOW = "mlflow"
"""The MLflow server that we start: it works in a database of its own, and reads in ours which tokens are revoked."""

Privileges = tuple[str, ...]
"""As GRANT takes them; one may name columns."""

Line = Mapping[str, Privileges]
"""Who may do what with a table; whom it does not name may nothing."""

SEE: Privileges = ("SELECT",)
INSERT: Privileges = ("INSERT",)
DELETE: Privileges = ("DELETE",)
ADD: Privileges = (*SEE, *INSERT)
CHANGE: Privileges = (*ADD, "UPDATE")
HOLD: Privileges = ("UPDATE (created_at_us)",)
"""What PostgreSQL asks of a task for a FOR KEY SHARE of it; no part updates one."""
WHICH: Privileges = ("SELECT (prediction_id, task_id)",)
OUTCOME: Privileges = ("SELECT (prediction_id, task_id, confidence, dissonance, verdict, reason)",)
"""What became of a row, and nothing of what it holds."""


def _all(privileges: Privileges, *parts: str) -> Line:
    return dict.fromkeys(parts or ROLE_NEEDS, privileges)


TABLES: Mapping[Schema, Mapping[str, Line]] = {
    Schema.EXPERIENCE: {
        "alembic_version": _all(SEE),
        "tasks": {**_all(SEE), "learner": (*SEE, *HOLD)},
        "policies": {**_all(SEE), "meta": ADD},
        "reference_rows": _all(SEE, "gate", "learner", "evaluator"),
        "experience": {
            "proposer": OUTCOME,
            "learner": (*ADD, *DELETE),
            **_all(SEE, "gate", "evaluator", "auditor"),
        },
        "labels": {"learner": (*CHANGE, *DELETE), **_all(SEE, "gate", "evaluator", "auditor")},
        "label_requests": {"learner": (*CHANGE, *DELETE), **_all(SEE, "gate", "evaluator", "auditor")},
        "verdicts": {"gate": ADD, "learner": (*WHICH, *DELETE)},
        "budget": {"gate": CHANGE, "auditor": SEE},
        "chain_heads": {"gate": (*SEE, "UPDATE")},
        "verdict_log": {"gate": ADD},
        "decisions": {"gate": ADD},
        "update_judgements": {"gate": ADD, "learner": SEE},
        "rollouts": {**_all(SEE), "gate": CHANGE},
        "untold_rollouts": {"gate": (*ADD, *DELETE), "auditor": SEE},
        "windows": {"evaluator": (*ADD, *DELETE), **_all(SEE, "gate", "learner", "auditor")},
        "window_estimates": {"evaluator": ADD, **_all(SEE, "gate", "learner", "auditor")},
        "findings": {"auditor": CHANGE},
        "idempotency": {"proposer": ADD, "learner": (*ADD, *DELETE)},
        "replays": {},
        "replayed_verdicts": {"learner": (*SEE, *DELETE)},
        "retention_counts": {"learner": INSERT},
        "accesses": {"auditor": SEE},
        "revocations": {**_all(SEE), "proposer": CHANGE, MLFLOW: SEE},
        "api_keys": _all(SEE),
        "credential_changes": {**_all(SEE), "proposer": (*SEE, "UPDATE"), MLFLOW: SEE},
        "oauth_clients": {"proposer": SEE},
        "used_assertions": {"proposer": (*ADD, *DELETE)},
        "people": {"proposer": SEE},
        "login_codes": {"proposer": (*CHANGE, *DELETE)},
        "logins": {"proposer": (*ADD, *DELETE)},
        "refresh_tokens": {"proposer": CHANGE},
        "erasures": _all(SEE),
        "texts_to_clear": {},
    },
    Schema.DATA_SUBJECT_KEYS: {
        "alembic_version": _all(SEE),
        "key_check": _all(SEE),
        "key_encryption_keys": _all(SEE),
        "data_subject_keys": {
            **_all(ADD, "proposer", "critic"),
            **_all(SEE, "gate", "learner", "evaluator"),
        },
        "spare_keys": {"proposer": (*CHANGE, *DELETE), "critic": (*SEE, "UPDATE", *DELETE)},
        "destroyed_keys": _all(SEE),
        "destroyed_tasks": _all(SEE),
    },
}
"""A line for every table. None may destroy a key of a data subject, change the log of decisions or delete a task."""

FUNCTIONS: Mapping[Schema, Mapping[str, tuple[str, ...]]] = {
    Schema.EXPERIENCE: {
        "make_week(bigint, uuid, uuid)": ("gate", "learner"),
        "drop_week(bigint, uuid, bigint)": ("learner",),
        "record_accesses(uuid, bytea, jsonb)": tuple(ROLE_NEEDS),
        "texts_in_plain()": ("auditor",),
    },
    Schema.DATA_SUBJECT_KEYS: {},
}
"""Of the owner, and who may call them: they do what the callers may not do by themselves."""


def role_of(part: str) -> str:
    """
    >>> role_of("critic")
    'dissonance_critic'
    """
    return f"dissonance_{part}"


def as_part(url: str, part: str) -> str:
    """The same database, as this part: for a server that asks nobody on its own socket for a password.

    >>> as_part("postgresql://postgres@/dissonance?host=/d/postgres", "critic")
    'postgresql://dissonance_critic@/dissonance?host=/d/postgres'
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role_of(part)}@{host}"))


def beside(url: str, database: str) -> str:
    """Another database of the same server.

    >>> beside("postgresql://postgres@/dissonance?host=/d/postgres", "mlflow")
    'postgresql://postgres@/mlflow?host=/d/postgres'
    >>> beside("postgresql:///dissonance?host=/d/postgres", "mlflow")
    'postgresql:///mlflow?host=/d/postgres'
    """
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{database}{query}"  # urlunsplit leaves an empty place out


def rights_of(schema: Schema, part: str) -> dict[str, Privileges]:
    """Privileges by table; of several roles in one process, the sum."""
    members = _members(part)
    summed = {
        table: tuple(dict.fromkeys(each for member in members for each in line.get(member, ())))
        for table, line in TABLES[schema].items()
    }
    return {table: privileges for table, privileges in summed.items() if privileges}


def statements(schema: Schema) -> list[str]:
    """SQL that gives each part its rights in a database of this schema, and takes what it had beside them.

    Run as the owner, who may make roles. Roles have no password: a server that asks for one lets nobody in as them
    until each was given its own.
    """
    return [*SHUT, *(statement for part in parts_in(schema) for statement in _statements(schema, part))]


def parts_in(schema: Schema) -> tuple[str, ...]:
    """Who comes to a database of this schema, besides its owner.

    >>> "mlflow" in parts_in(Schema.EXPERIENCE), "mlflow" in parts_in(Schema.DATA_SUBJECT_KEYS)
    (True, False)
    """
    return (*NEEDS, MLFLOW) if rights_of(schema, MLFLOW) else tuple(NEEDS)


SHUT = (
    "DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
)
"""SQL after which only those get into the database where it is run who are let in by name."""


def let_in(role: str) -> list[str]:
    """SQL that makes a role when there is none, and lets it into the database where it is run."""
    return [
        f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
        f"DO $$ BEGIN EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database()); END $$",
        f"GRANT USAGE ON SCHEMA public TO {role}",
    ]


def _members(part: str) -> list[str]:
    return list(ROLE_NEEDS) if part == SEVERAL else [part]


def _statements(schema: Schema, part: str) -> Iterable[str]:
    role = role_of(part)
    yield from let_in(role)
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"
    yield f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM {role}"
    for table, privileges in rights_of(schema, part).items():
        yield f"GRANT {', '.join(privileges)} ON {table} TO {role}"
    for function, callers in FUNCTIONS[schema].items():
        if not set(callers).isdisjoint(_members(part)):
            yield f"GRANT EXECUTE ON FUNCTION {function} TO {role}"
