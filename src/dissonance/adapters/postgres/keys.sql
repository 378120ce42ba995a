-- Every statement on the keys of data subjects. What the logs of destroyed keys name is never handed out, also
-- when a restored backup still holds it.

-- name: revision
-- purpose: the version that migrations brought the database to
SELECT version_num FROM alembic_version;

-- name: key_check
-- purpose: keep the first check value; returns the one that counts
WITH first AS (
    INSERT INTO key_check (sealed) VALUES (%(sealed)s) ON CONFLICT DO NOTHING RETURNING sealed
)
SELECT sealed FROM first UNION ALL SELECT sealed FROM key_check;

-- name: obtain_keys
-- purpose: new keys where there was none, and the keys there were; misses what another replica made meanwhile
WITH given AS (
    SELECT data_subject, wrapped FROM unnest(%(data_subjects)s::bytea[], %(wrapped)s::bytea[])
        AS g (data_subject, wrapped)
    WHERE NOT EXISTS (SELECT FROM destroyed_tasks d WHERE d.task_id = %(task)s)
        AND NOT EXISTS (
            SELECT FROM destroyed_keys d WHERE d.task_id = %(task)s AND d.data_subject = g.data_subject
        )
), there AS (
    SELECT k.data_subject, k.wrapped FROM data_subject_keys k JOIN given USING (data_subject)
    WHERE k.task_id = %(task)s
), made AS (
    INSERT INTO data_subject_keys (task_id, data_subject, wrapped)
    SELECT %(task)s, data_subject, wrapped FROM given
    WHERE NOT EXISTS (SELECT FROM there WHERE there.data_subject = given.data_subject)
    ORDER BY data_subject
    ON CONFLICT DO NOTHING
    RETURNING data_subject, wrapped
)
SELECT data_subject, wrapped FROM there UNION ALL SELECT data_subject, wrapped FROM made;

-- name: find_keys
-- purpose: the keys there are
SELECT k.data_subject, k.wrapped FROM data_subject_keys k
WHERE k.task_id = %(task)s AND k.data_subject = ANY(%(data_subjects)s::bytea[])
    AND NOT EXISTS (SELECT FROM destroyed_tasks d WHERE d.task_id = k.task_id)
    AND NOT EXISTS (
        SELECT FROM destroyed_keys d WHERE d.task_id = k.task_id AND d.data_subject = k.data_subject
    );

-- name: hold_back_new_keys
-- purpose: nobody makes a key while some are destroyed; readers are not held back
LOCK TABLE data_subject_keys, spare_keys IN SHARE ROW EXCLUSIVE MODE;

-- name: log_destroyed_keys
-- purpose: what is destroyed stays destroyed
INSERT INTO destroyed_keys (task_id, data_subject, destroyed_at_us)
SELECT %(task)s, data_subject, %(at_us)s FROM unnest(%(data_subjects)s::bytea[]) AS given (data_subject)
ON CONFLICT DO NOTHING;

-- name: destroy_keys
-- purpose: the keys of these data subjects
DELETE FROM data_subject_keys WHERE task_id = %(task)s AND data_subject = ANY(%(data_subjects)s::bytea[]);

-- name: log_destroyed_task
-- purpose: what is destroyed stays destroyed
INSERT INTO destroyed_tasks (task_id, destroyed_at_us) VALUES (%(task)s, %(at_us)s) ON CONFLICT DO NOTHING;

-- name: destroy_task_keys
-- purpose: every key of a task
DELETE FROM data_subject_keys WHERE task_id = %(task)s;

-- name: destroy_spares
-- purpose: spare keys that were used for these data subjects
DELETE FROM spare_keys WHERE task_id = %(task)s AND data_subject = ANY(%(data_subjects)s::bytea[]);

-- name: destroy_task_spares
-- purpose: spare keys that were used in a task
DELETE FROM spare_keys WHERE task_id = %(task)s;

-- name: reserve_keys
-- purpose: spare keys of nobody yet
INSERT INTO spare_keys (spare_id, wrapped, made_at_us)
SELECT spare_id, wrapped, %(now_us)s FROM unnest(%(spare_ids)s::bytea[], %(wrapped)s::bytea[]) AS g (spare_id, wrapped);

-- name: release_keys
-- purpose: spare keys that were never used
DELETE FROM spare_keys WHERE spare_id = ANY(%(spare_ids)s::bytea[]) AND data_subject IS NULL;

-- name: forget_spares
-- purpose: spare keys that a process took with it when it died, and that nothing was sealed with
DELETE FROM spare_keys WHERE data_subject IS NULL AND made_at_us < %(older_than_us)s;

-- name: adopt_keys
-- purpose: say of used spare keys whose they are; those of the erased are destroyed
WITH given AS (
    SELECT spare_id, data_subject,
        EXISTS (SELECT FROM destroyed_tasks d WHERE d.task_id = %(task)s)
        OR EXISTS (
            SELECT FROM destroyed_keys d WHERE d.task_id = %(task)s AND d.data_subject = g.data_subject
        ) AS erased
    FROM unnest(%(spare_ids)s::bytea[], %(data_subjects)s::bytea[]) AS g (spare_id, data_subject)
), destroyed AS (
    DELETE FROM spare_keys s USING given g WHERE s.spare_id = g.spare_id AND g.erased
)
UPDATE spare_keys s SET task_id = %(task)s, data_subject = g.data_subject FROM given g
WHERE s.spare_id = g.spare_id AND NOT g.erased
    AND (s.data_subject IS NULL OR (s.task_id = %(task)s AND s.data_subject = g.data_subject))
RETURNING s.spare_id, s.data_subject, s.wrapped;
