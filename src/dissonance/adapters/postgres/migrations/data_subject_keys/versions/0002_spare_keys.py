"""Spare keys: made ahead, for data subjects that are first seen while this database is away."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE spare_keys (
        spare_id bytea PRIMARY KEY,
        wrapped bytea NOT NULL,
        made_at_us bigint NOT NULL,
        task_id uuid,
        data_subject bytea
    )
    """,
    "CREATE INDEX spare_keys_by_data_subject ON spare_keys (task_id, data_subject) WHERE data_subject IS NOT NULL",
    "CREATE INDEX spare_keys_unused ON spare_keys (made_at_us) WHERE data_subject IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
