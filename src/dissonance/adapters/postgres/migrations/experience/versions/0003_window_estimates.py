"""What is estimated of windows that are over."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENT = """
    CREATE TABLE window_estimates (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        window_id text NOT NULL,
        body jsonb NOT NULL,
        saved_at_us bigint NOT NULL,
        PRIMARY KEY (task_id, window_id)
    )
"""


def upgrade() -> None:
    op.execute(STATEMENT)
