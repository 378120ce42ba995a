"""Certificates of erasures; and reference rows found by whom they are about."""

from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE erasures (
        task_id uuid NOT NULL,
        data_subject bytea NOT NULL,
        erased_at_us bigint NOT NULL,
        certificate bytea NOT NULL,
        PRIMARY KEY (task_id, data_subject)
    )
    """,
    "CREATE INDEX reference_rows_by_data_subject ON reference_rows (task_id, data_subject)",
    "CREATE INDEX label_requests_by_data_subject ON label_requests (task_id, data_subject)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
