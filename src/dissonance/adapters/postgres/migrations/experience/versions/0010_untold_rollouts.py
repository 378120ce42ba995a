"""Steps of rollouts that were saved and not yet told: whoever saves one may die before it publishes the events."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE untold_rollouts (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        event_id text NOT NULL,
        saved bigint GENERATED ALWAYS AS IDENTITY,
        saved_us bigint NOT NULL,
        body jsonb NOT NULL,
        PRIMARY KEY (task_id, event_id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
