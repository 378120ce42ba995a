"""Verdicts that were replayed under another policy, beside those that counted."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE replays (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        replay_id text NOT NULL,
        body jsonb NOT NULL,
        made_at_us bigint NOT NULL,
        PRIMARY KEY (task_id, replay_id)
    )
    """,
    """
    CREATE TABLE replayed_verdicts (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        replay_id text NOT NULL,
        prediction_id uuid NOT NULL,
        event_time_us bigint NOT NULL,
        recorded text NOT NULL,
        replayed text NOT NULL,
        PRIMARY KEY (task_id, replay_id, prediction_id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
