"""The experience store: tasks, policies, reference rows, experience, labels, verdicts, windows, idempotency."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE tasks (
        task_id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE,
        created_at_us bigint NOT NULL,
        body json NOT NULL
    )
    """,
    """
    CREATE TABLE policies (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        version integer NOT NULL,
        body json NOT NULL,
        reason text NOT NULL,
        set_by text NOT NULL,
        set_at_us bigint NOT NULL,
        PRIMARY KEY (task_id, version)
    )
    """,
    """
    CREATE TABLE reference_rows (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        row_number bigint NOT NULL,
        split text NOT NULL,
        data_subject bytea NOT NULL,
        sealed bytea NOT NULL,
        PRIMARY KEY (task_id, row_number)
    )
    """,
    """
    CREATE TABLE experience (
        prediction_id uuid NOT NULL,
        task_id uuid NOT NULL,
        event_time_us bigint NOT NULL,
        processing_time_us bigint NOT NULL,
        confidence double precision NOT NULL,
        dissonance double precision NOT NULL,
        propensity double precision NOT NULL,
        policy_version integer NOT NULL,
        model_digest bytea NOT NULL,
        critic_digest bytea NOT NULL,
        data_subject bytea NOT NULL,
        verdict text NOT NULL,
        reason text NOT NULL,
        canary_arm text NOT NULL,
        sealed bytea NOT NULL,
        PRIMARY KEY (prediction_id)
    ) PARTITION BY RANGE (prediction_id)
    """,
    "CREATE INDEX experience_by_event_time ON experience (task_id, event_time_us)",
    """
    CREATE TABLE labels (
        prediction_id uuid NOT NULL,
        task_id uuid NOT NULL,
        labelled_at_us bigint NOT NULL,
        is_right boolean NOT NULL,
        source text NOT NULL,
        sealed bytea NOT NULL,
        PRIMARY KEY (prediction_id)
    ) PARTITION BY RANGE (prediction_id)
    """,
    """
    CREATE TABLE verdicts (
        prediction_id uuid NOT NULL,
        task_id uuid NOT NULL,
        policy_version integer NOT NULL,
        verdict text NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (prediction_id)
    ) PARTITION BY RANGE (prediction_id)
    """,
    """
    CREATE TABLE chain_heads (
        task_id uuid PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
        link bigint NOT NULL,
        digest bytea NOT NULL
    )
    """,
    """
    CREATE TABLE verdict_log (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        link bigint NOT NULL,
        previous bytea NOT NULL,
        digest bytea NOT NULL,
        evidence bytea NOT NULL,
        PRIMARY KEY (task_id, link)
    )
    """,
    """
    CREATE TABLE budget (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        hour bigint NOT NULL,
        spent bigint NOT NULL,
        PRIMARY KEY (task_id, hour)
    )
    """,
    """
    CREATE TABLE windows (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        window_id text NOT NULL,
        revision integer NOT NULL,
        start_us bigint NOT NULL,
        end_us bigint NOT NULL,
        rows bigint NOT NULL,
        labelled bigint NOT NULL,
        mean_doubt double precision NOT NULL,
        mean_dissonance double precision NOT NULL,
        share_over_target double precision NOT NULL,
        estimated_accuracy double precision NOT NULL,
        realised_accuracy double precision,
        closed boolean NOT NULL,
        saved_at_us bigint NOT NULL,
        PRIMARY KEY (task_id, window_id, revision)
    )
    """,
    "CREATE INDEX windows_by_start ON windows (task_id, start_us DESC)",
    """
    CREATE TABLE idempotency (
        task_id uuid NOT NULL,
        key_hash bytea NOT NULL,
        body_digest bytea NOT NULL,
        answer bytea NOT NULL,
        kept_at_us bigint NOT NULL,
        PRIMARY KEY (task_id, key_hash)
    )
    """,
    "CREATE INDEX idempotency_by_age ON idempotency (kept_at_us)",
    """
    CREATE TABLE retention_counts (
        task_id uuid NOT NULL REFERENCES tasks ON DELETE CASCADE,
        dropped_at_us bigint NOT NULL,
        oldest_us bigint NOT NULL,
        rows bigint NOT NULL,
        labels bigint NOT NULL
    )
    """,
    "CREATE INDEX retention_counts_by_task ON retention_counts (task_id)",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
