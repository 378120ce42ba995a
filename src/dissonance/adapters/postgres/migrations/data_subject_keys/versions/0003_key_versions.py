"""Versions of the key-encryption key, sealed under the root key; and which of them a data key rests under."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE key_encryption_keys (
        version integer PRIMARY KEY,
        state text NOT NULL,
        sealed bytea,
        made_at_us bigint NOT NULL,
        changed_at_us bigint NOT NULL,
        CHECK ((sealed IS NULL) = (state = 'destroyed'))
    )
    """,
    "CREATE UNIQUE INDEX key_encryption_keys_active ON key_encryption_keys (state) WHERE state = 'active'",
    "ALTER TABLE data_subject_keys ADD COLUMN wrapped_under integer NOT NULL DEFAULT 1",
    "ALTER TABLE spare_keys ADD COLUMN wrapped_under integer NOT NULL DEFAULT 1",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
