"""Decisions on models: what they are found by; the decisions themselves are links of the hash chain."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE decisions (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        link bigint NOT NULL,
        decision_id text NOT NULL,
        cause text NOT NULL,
        kind text NOT NULL,
        version integer NOT NULL,
        decided_at_us bigint NOT NULL,
        PRIMARY KEY (task_id, link)
    )
    """,
    "CREATE UNIQUE INDEX decisions_by_id ON decisions (task_id, decision_id)",
    "CREATE UNIQUE INDEX decisions_by_cause ON decisions (task_id, cause)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
