"""Labels that are withdrawn or looked at again, shadows, label requests, rollouts, judgements of updates, findings."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE labels ALTER COLUMN is_right DROP NOT NULL",
    "ALTER TABLE labels ADD COLUMN critic_right boolean",
    "ALTER TABLE labels ADD COLUMN shadow_right boolean",
    "ALTER TABLE labels ADD COLUMN learnable boolean NOT NULL DEFAULT true",
    "ALTER TABLE labels ADD COLUMN admitted boolean NOT NULL DEFAULT true",
    "UPDATE labels SET admitted = false FROM experience e"
    " WHERE e.prediction_id = labels.prediction_id AND e.verdict <> 'admitted'",
    "ALTER TABLE experience ADD COLUMN shadow_digest bytea NOT NULL DEFAULT ''",
    "CREATE INDEX experience_by_data_subject ON experience (data_subject, event_time_us)",
    "ALTER TABLE windows ADD COLUMN estimated_error double precision NOT NULL DEFAULT 0",
    "ALTER TABLE windows ADD COLUMN random_checked bigint NOT NULL DEFAULT 0",
    "ALTER TABLE windows ADD COLUMN random_right bigint NOT NULL DEFAULT 0",
    "ALTER TABLE windows ADD COLUMN both_wrong bigint NOT NULL DEFAULT 0",
    "ALTER TABLE windows ADD COLUMN mean_label_delay_s double precision",
    "ALTER TABLE windows ADD COLUMN slices jsonb NOT NULL DEFAULT '[]'",
    """
    CREATE TABLE label_requests (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        request_id uuid NOT NULL,
        prediction_id uuid NOT NULL,
        data_subject bytea NOT NULL,
        asked_as text NOT NULL,
        propensity double precision NOT NULL,
        random_propensity double precision NOT NULL,
        event_time_us bigint NOT NULL,
        asked_at_us bigint NOT NULL,
        state text NOT NULL,
        leased_by text NOT NULL,
        leased_until_us bigint NOT NULL,
        PRIMARY KEY (task_id, request_id)
    )
    """,
    "CREATE INDEX label_requests_by_prediction ON label_requests (prediction_id)",
    "CREATE INDEX label_requests_by_event_time ON label_requests (task_id, event_time_us DESC)",
    "CREATE INDEX label_requests_unsettled ON label_requests (task_id) WHERE state IN ('open', 'leased')",
    """
    CREATE TABLE rollouts (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        rollout_id uuid NOT NULL,
        revision integer NOT NULL,
        phase text NOT NULL,
        begun bigint GENERATED ALWAYS AS IDENTITY,
        body jsonb NOT NULL,
        PRIMARY KEY (task_id, rollout_id)
    )
    """,
    "CREATE UNIQUE INDEX rollouts_one_live ON rollouts (task_id) WHERE phase IN ('canary', 'armed')",
    """
    CREATE TABLE update_judgements (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        event_id text NOT NULL,
        link bigint NOT NULL,
        body bytea NOT NULL,
        PRIMARY KEY (task_id, event_id)
    )
    """,
    """
    CREATE TABLE findings (
        finding bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        task_id uuid NOT NULL,
        code text NOT NULL,
        subject text NOT NULL,
        severity integer NOT NULL,
        first_seen_us bigint NOT NULL,
        resolved_at_us bigint,
        body jsonb NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX findings_open ON findings (task_id, code, subject) WHERE resolved_at_us IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
