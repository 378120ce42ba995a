"""What parts do to tables that they may not touch, in functions of the owner: weeks are made and dropped, and accesses
end in the chain of the whole system, which lies beside the chains of decisions (ADR 63)."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MAKE_WEEK = """
    CREATE FUNCTION make_week(week bigint, low uuid, high uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        parent text;
        child text;
    BEGIN
        FOREACH parent IN ARRAY ARRAY['experience', 'labels', 'verdicts'] LOOP
            child := format('%s_week_%s', parent, week);
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, low, high);
        END LOOP;
    END $$
"""

# The parents are locked first, as inserts do, so that nobody waits in a circle.
DROP_WEEK = """
    CREATE FUNCTION drop_week(week bigint, task uuid, oldest_us bigint, OUT rows bigint, OUT labelled bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        others boolean;
    BEGIN
        LOCK TABLE ONLY experience IN ACCESS EXCLUSIVE MODE;
        LOCK TABLE ONLY labels IN ACCESS EXCLUSIVE MODE;
        LOCK TABLE ONLY verdicts IN ACCESS EXCLUSIVE MODE;
        EXECUTE format(
            'SELECT (SELECT count(*) FROM %1$I), (SELECT count(*) FROM %2$I),'
            ' EXISTS (SELECT FROM %1$I WHERE task_id <> $1 OR processing_time_us >= $2)'
            ' OR EXISTS (SELECT FROM %3$I WHERE task_id <> $1)',
            'experience_week_' || week, 'labels_week_' || week, 'verdicts_week_' || week
        ) INTO rows, labelled, others USING task, oldest_us;
        IF others THEN
            rows := NULL;
            labelled := NULL;
            RETURN;
        END IF;
        EXECUTE format(
            'DROP TABLE %I, %I, %I', 'experience_week_' || week, 'labels_week_' || week, 'verdicts_week_' || week
        );
    END $$
"""

# The head is locked first: who comes next sees what is written here, and the same batch is written once.
RECORD_ACCESSES = """
    CREATE FUNCTION record_accesses(batch_id uuid, evidence_bytes bytea, listed jsonb) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        whole_system CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
        head chain_heads;
        known bigint;
    BEGIN
        SELECT * INTO head FROM chain_heads WHERE task_id = whole_system FOR UPDATE;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        SELECT link INTO known FROM accesses WHERE batch = batch_id LIMIT 1;
        IF FOUND THEN
            RETURN known;
        END IF;
        INSERT INTO verdict_log (task_id, link, previous, digest, evidence)
        VALUES (whole_system, head.link + 1, head.digest, sha256(head.digest || evidence_bytes), evidence_bytes);
        UPDATE chain_heads SET link = head.link + 1, digest = sha256(head.digest || evidence_bytes)
        WHERE task_id = whole_system;
        INSERT INTO accesses (
            link, position, batch, who, source, permission, what, task, outcome, first_us, last_us, count, reason,
            status, request_id
        )
        SELECT head.link + 1, place - 1, batch_id, given ->> 'who', given ->> 'source', given ->> 'permission',
            given ->> 'what', given ->> 'task', given ->> 'outcome', (given ->> 'first_us')::bigint,
            (given ->> 'last_us')::bigint, (given ->> 'count')::bigint, given ->> 'reason',
            (given ->> 'status')::integer, given ->> 'request_id'
        FROM jsonb_array_elements(listed) WITH ORDINALITY AS each (given, place);
        RETURN head.link + 1;
    END $$
"""

REVOKED = (
    "make_week(bigint, uuid, uuid)",
    "drop_week(bigint, uuid, bigint)",
    "record_accesses(uuid, bytea, jsonb)",
)
"""PostgreSQL lets everybody call a function until told otherwise."""


def upgrade() -> None:
    for statement in (MAKE_WEEK, DROP_WEEK, RECORD_ACCESSES):
        op.execute(statement)
    for function in REVOKED:
        # nosemgrep: sql-put-together - names of the functions above; GRANT takes no parameters
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
