"""Clients and people of the local issuer, and the codes that people are on the way with."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE oauth_clients (
        client_id text PRIMARY KEY,
        digest bytea NOT NULL,
        grants text[] NOT NULL,
        tasks text[] NOT NULL,
        redirects text[] NOT NULL,
        created_at_us bigint NOT NULL,
        expires_at_us bigint NOT NULL,
        made_by text NOT NULL
    )
    """,
    """
    CREATE TABLE people (
        name text PRIMARY KEY,
        password text NOT NULL,
        grants text[] NOT NULL,
        tasks text[] NOT NULL,
        created_at_us bigint NOT NULL,
        added_by text NOT NULL
    )
    """,
    """
    CREATE TABLE login_codes (
        digest bytea PRIMARY KEY,
        client_id text NOT NULL,
        redirect text NOT NULL,
        challenge text NOT NULL,
        name text NOT NULL REFERENCES people ON DELETE CASCADE,
        scope text[] NOT NULL,
        tasks text[] NOT NULL,
        token_id text NOT NULL,
        expires_at_us bigint NOT NULL,
        times integer NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX login_codes_by_name ON login_codes (name)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
