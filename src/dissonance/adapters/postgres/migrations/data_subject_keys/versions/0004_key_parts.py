"""Which part of the key folder a version of the key-encryption key needs; none needs one that is there already."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE key_encryption_keys ADD COLUMN part_id bytea CHECK (octet_length(part_id) = 16)")
