"""Wrapped keys of data subjects, the log of destroyed ones, and a check of the key that wraps them."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE data_subject_keys (
        task_id uuid NOT NULL,
        data_subject bytea NOT NULL,
        wrapped bytea NOT NULL,
        PRIMARY KEY (task_id, data_subject)
    )
    """,
    """
    CREATE TABLE destroyed_keys (
        task_id uuid NOT NULL,
        data_subject bytea NOT NULL,
        destroyed_at_us bigint NOT NULL,
        PRIMARY KEY (task_id, data_subject)
    )
    """,
    """
    CREATE TABLE destroyed_tasks (
        task_id uuid PRIMARY KEY,
        destroyed_at_us bigint NOT NULL
    )
    """,
    """
    CREATE TABLE key_check (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        sealed bytea NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
