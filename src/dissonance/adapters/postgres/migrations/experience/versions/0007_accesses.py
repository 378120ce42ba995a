"""The audit trail: a hash chain of the whole system beside those of the tasks, and what its accesses are found by.

The chains' tables no longer refer to tasks, since one chain is of none; deleting a task deletes its chain by itself.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE chain_heads DROP CONSTRAINT chain_heads_task_id_fkey",
    "ALTER TABLE verdict_log DROP CONSTRAINT verdict_log_task_id_fkey",
    """
    INSERT INTO chain_heads (task_id, link, digest)
    VALUES ('00000000-0000-0000-0000-000000000000', 0, decode(repeat('00', 32), 'hex'))
    """,
    """
    CREATE TABLE accesses (
        link bigint NOT NULL,
        position integer NOT NULL,
        batch uuid NOT NULL,
        who text NOT NULL,
        source text NOT NULL,
        permission text NOT NULL,
        what text NOT NULL,
        task text NOT NULL,
        outcome text NOT NULL,
        first_us bigint NOT NULL,
        last_us bigint NOT NULL,
        count bigint NOT NULL,
        reason text NOT NULL,
        status integer NOT NULL,
        request_id text NOT NULL,
        PRIMARY KEY (link, position)
    )
    """,
    "CREATE UNIQUE INDEX accesses_by_batch ON accesses (batch, position)",
    "CREATE INDEX accesses_by_time ON accesses (last_us)",
    "CREATE INDEX accesses_by_who ON accesses (who, link)",
    "CREATE INDEX accesses_denied ON accesses (last_us) WHERE outcome = 'denied'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
