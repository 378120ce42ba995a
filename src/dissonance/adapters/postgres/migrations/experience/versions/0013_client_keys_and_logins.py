"""Clients of the local issuer that sign instead of showing a secret, and what they signed already; logins of people,
and the refresh tokens that they go on with."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE oauth_clients ADD COLUMN public_key text NOT NULL DEFAULT ''",
    "CREATE TABLE used_assertions (digest bytea PRIMARY KEY, forget_at_us bigint NOT NULL)",
    "CREATE INDEX used_assertions_by_time ON used_assertions (forget_at_us)",
    """
    CREATE TABLE logins (
        login_id text PRIMARY KEY,
        client_id text NOT NULL,
        name text NOT NULL REFERENCES people ON DELETE CASCADE,
        scope text[] NOT NULL,
        tasks text[] NOT NULL,
        began_at_us bigint NOT NULL,
        ends_at_us bigint NOT NULL
    )
    """,
    "CREATE INDEX logins_by_name ON logins (name)",
    "CREATE INDEX logins_by_end ON logins (ends_at_us)",
    """
    CREATE TABLE refresh_tokens (
        digest bytea PRIMARY KEY,
        login_id text NOT NULL REFERENCES logins ON DELETE CASCADE,
        token_id text NOT NULL,
        issued_at_us bigint NOT NULL,
        expires_at_us bigint NOT NULL,
        used boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE INDEX refresh_tokens_by_login ON refresh_tokens (login_id, issued_at_us)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
