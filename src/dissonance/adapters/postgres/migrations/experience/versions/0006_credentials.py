"""What is revoked, API keys, and how often either was changed."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE revocations (
        what text NOT NULL,
        value text NOT NULL,
        revoked_at_us bigint NOT NULL,
        revoked_by text NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (what, value)
    )
    """,
    """
    CREATE TABLE api_keys (
        key_id text PRIMARY KEY,
        name text NOT NULL,
        digest bytea NOT NULL,
        scope text[] NOT NULL,
        tasks text[] NOT NULL,
        created_at_us bigint NOT NULL,
        expires_at_us bigint NOT NULL,
        made_by text NOT NULL
    )
    """,
    """
    CREATE TABLE credential_changes (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        changes bigint NOT NULL
    )
    """,
    "INSERT INTO credential_changes (changes) VALUES (0)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
