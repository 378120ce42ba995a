"""What was written before it was sealed: found at once wherever there may be many rows, and the tables whose files
still hold it once it is sealed (ADR 70)."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The conditions are those of `plain_texts.PLACES`; a test on a real server holds the two to each other.
TEXTS_IN_PLAIN = """
    CREATE FUNCTION texts_in_plain() RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT 'tasks.body' WHERE EXISTS (SELECT FROM tasks WHERE json_typeof(body) <> 'string')
        UNION ALL SELECT 'rollouts.body' WHERE EXISTS (SELECT FROM rollouts WHERE jsonb_typeof(body) <> 'string')
        UNION ALL SELECT 'untold_rollouts.body'
            WHERE EXISTS (SELECT FROM untold_rollouts WHERE jsonb_typeof(body) <> 'string')
        UNION ALL SELECT 'findings.body' WHERE EXISTS (SELECT FROM findings WHERE jsonb_typeof(body) <> 'string')
        UNION ALL SELECT 'windows.slices' WHERE EXISTS (SELECT FROM windows WHERE jsonb_typeof(slices) <> 'string')
        UNION ALL SELECT 'window_estimates.body'
            WHERE EXISTS (SELECT FROM window_estimates WHERE jsonb_typeof(body) <> 'string')
        UNION ALL SELECT 'policies.reason' WHERE EXISTS (
            SELECT FROM policies WHERE reason <> '' AND NOT starts_with(reason, 'dissonance-sealed-1:')
        )
        UNION ALL SELECT 'labels.source' WHERE EXISTS (
            SELECT FROM labels WHERE source <> '' AND NOT starts_with(source, 'dissonance-sealed-1:')
        )
        UNION ALL SELECT 'revocations.reason' WHERE EXISTS (
            SELECT FROM revocations WHERE reason <> '' AND NOT starts_with(reason, 'dissonance-sealed-1:')
        )
        UNION ALL SELECT 'update_judgements.body' WHERE EXISTS (
            SELECT FROM update_judgements
            WHERE body <> '' AND substring(body FROM 1 FOR 20) <> 'dissonance-sealed-1:'::bytea
        )
        UNION ALL SELECT 'verdict_log.evidence' WHERE EXISTS (
            SELECT FROM decisions JOIN verdict_log USING (task_id, link)
            WHERE evidence <> '' AND substring(evidence FROM 1 FOR 20) <> 'dissonance-sealed-1:'::bytea
        )
        UNION ALL SELECT 'old rows of ' || relation FROM texts_to_clear
    $$
"""

STATEMENTS = (
    "CREATE TABLE texts_to_clear (relation text PRIMARY KEY)",
    """
    CREATE INDEX labels_in_plain ON labels (task_id)
    WHERE source <> '' AND NOT starts_with(source, 'dissonance-sealed-1:')
    """,
    "CREATE INDEX windows_in_plain ON windows (task_id) WHERE jsonb_typeof(slices) <> 'string'",
    "CREATE INDEX window_estimates_in_plain ON window_estimates (task_id) WHERE jsonb_typeof(body) <> 'string'",
    TEXTS_IN_PLAIN,
    "REVOKE ALL ON FUNCTION texts_in_plain() FROM PUBLIC",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
