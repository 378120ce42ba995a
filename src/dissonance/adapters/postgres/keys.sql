-- Every statement on the keys of data subjects. What the logs of destroyed keys name is never handed out, also
-- when a restored backup still holds it.

-- name: revision
-- purpose: the version that migrations brought the database to
SELECT version_num FROM alembic_version;

-- name: key_check
-- purpose: the check value that counts; none in a database that nobody used yet
SELECT sealed FROM key_check;

-- name: first_key_check
-- purpose: keep the first check value
INSERT INTO key_check (sealed) VALUES (%(sealed)s) ON CONFLICT DO NOTHING;

-- name: first_key_encryption_key
-- purpose: version 1: the root key itself where data keys rest under it from before there were versions
INSERT INTO key_encryption_keys (version, state, sealed, part_id, made_at_us, changed_at_us)
SELECT 1, 'active', CASE WHEN before.there THEN %(root)s ELSE %(fresh)s END,
    CASE WHEN before.there THEN NULL ELSE %(part_id)s END, %(now_us)s, %(now_us)s
FROM (SELECT EXISTS (SELECT FROM data_subject_keys) OR EXISTS (SELECT FROM spare_keys) AS there) AS before
WHERE NOT EXISTS (SELECT FROM key_encryption_keys)
ON CONFLICT DO NOTHING;

-- name: usable_key_encryption_keys
-- purpose: those that open data keys, the active one first
SELECT version, sealed, part_id FROM key_encryption_keys WHERE state IN ('active', 'retired') ORDER BY state;

-- name: key_versions
-- purpose: every version, and how many keys rest under it
SELECT v.part_id, v.version, v.state, v.made_at_us, v.changed_at_us,
    (SELECT count(*) FROM data_subject_keys k WHERE k.wrapped_under = v.version),
    (SELECT count(*) FROM spare_keys s WHERE s.wrapped_under = v.version)
FROM key_encryption_keys v ORDER BY v.version;

-- name: highest_version
-- purpose: the last version that was made
SELECT max(version) FROM key_encryption_keys;

-- name: retire_active
-- purpose: make way for another active version
UPDATE key_encryption_keys SET state = 'retired', changed_at_us = %(now_us)s WHERE state = 'active';

-- name: add_version
-- purpose: a new active version
INSERT INTO key_encryption_keys (version, state, sealed, part_id, made_at_us, changed_at_us)
VALUES (%(version)s, 'active', %(sealed)s, %(part_id)s, %(now_us)s, %(now_us)s);

-- name: end_version
-- purpose: revoke or destroy a version that is not active and that nothing rests under
UPDATE key_encryption_keys v SET state = %(state)s, changed_at_us = %(now_us)s,
    sealed = CASE WHEN %(state)s = 'destroyed' THEN NULL ELSE v.sealed END
WHERE v.version = %(version)s AND v.state <> 'active'
    AND NOT EXISTS (SELECT FROM data_subject_keys k WHERE k.wrapped_under = v.version)
    AND NOT EXISTS (SELECT FROM spare_keys s WHERE s.wrapped_under = v.version);

-- name: hold_back_parts
-- purpose: nobody else makes a version, or sweeps parts; states change, and versions are read, as ever
LOCK TABLE key_encryption_keys IN SHARE UPDATE EXCLUSIVE MODE;

-- name: part_ids
-- purpose: parts that versions have, or had
SELECT part_id FROM key_encryption_keys WHERE part_id IS NOT NULL;

-- name: count_to_rewrap
-- purpose: keys that rest under another version than this one
SELECT (SELECT count(*) FROM data_subject_keys WHERE wrapped_under <> %(under)s)
    + (SELECT count(*) FROM spare_keys WHERE wrapped_under <> %(under)s);

-- name: keys_to_rewrap
-- purpose: the next of them, in order
SELECT task_id, data_subject, wrapped, wrapped_under FROM data_subject_keys
WHERE wrapped_under <> %(under)s AND (task_id, data_subject) > (%(task)s, %(data_subject)s)
ORDER BY task_id, data_subject LIMIT %(limit)s;

-- name: rewrap_keys
-- purpose: put them under this version, if it is active still, but for what was destroyed meanwhile
UPDATE data_subject_keys k SET wrapped = g.wrapped, wrapped_under = %(under)s
FROM unnest(%(tasks)s::uuid[], %(data_subjects)s::bytea[], %(before)s::bytea[], %(wrapped)s::bytea[])
    AS g (task_id, data_subject, before, wrapped)
WHERE k.task_id = g.task_id AND k.data_subject = g.data_subject AND k.wrapped = g.before
    AND EXISTS (SELECT FROM key_encryption_keys v WHERE v.version = %(under)s AND v.state = 'active');

-- name: spares_to_rewrap
-- purpose: the next spare keys, in order
SELECT spare_id, wrapped, wrapped_under FROM spare_keys
WHERE wrapped_under <> %(under)s AND spare_id > %(spare_id)s ORDER BY spare_id LIMIT %(limit)s;

-- name: rewrap_spares
-- purpose: put them under this version, if it is active still, but for what was destroyed meanwhile
UPDATE spare_keys s SET wrapped = g.wrapped, wrapped_under = %(under)s
FROM unnest(%(spare_ids)s::bytea[], %(before)s::bytea[], %(wrapped)s::bytea[]) AS g (spare_id, before, wrapped)
WHERE s.spare_id = g.spare_id AND s.wrapped = g.before
    AND EXISTS (SELECT FROM key_encryption_keys v WHERE v.version = %(under)s AND v.state = 'active');

-- name: obtain_keys
-- purpose: new keys where there was none (if their version is active), and the keys there were; misses what others made
WITH given AS (
    SELECT data_subject, wrapped FROM unnest(%(data_subjects)s::bytea[], %(wrapped)s::bytea[])
        AS g (data_subject, wrapped)
    WHERE NOT EXISTS (SELECT FROM destroyed_tasks d WHERE d.task_id = %(task)s)
        AND NOT EXISTS (
            SELECT FROM destroyed_keys d WHERE d.task_id = %(task)s AND d.data_subject = g.data_subject
        )
), there AS (
    SELECT k.data_subject, k.wrapped, k.wrapped_under FROM data_subject_keys k JOIN given USING (data_subject)
    WHERE k.task_id = %(task)s
), made AS (
    INSERT INTO data_subject_keys (task_id, data_subject, wrapped, wrapped_under)
    SELECT %(task)s, data_subject, wrapped, %(under)s FROM given
    WHERE NOT EXISTS (SELECT FROM there WHERE there.data_subject = given.data_subject)
        AND EXISTS (SELECT FROM key_encryption_keys v WHERE v.version = %(under)s AND v.state = 'active')
    ORDER BY data_subject
    ON CONFLICT DO NOTHING
    RETURNING data_subject, wrapped, wrapped_under
)
SELECT data_subject, wrapped, wrapped_under FROM there
UNION ALL SELECT data_subject, wrapped, wrapped_under FROM made;

-- name: find_keys
-- purpose: the keys there are
SELECT k.data_subject, k.wrapped, k.wrapped_under FROM data_subject_keys k
WHERE k.task_id = %(task)s AND k.data_subject = ANY(%(data_subjects)s::bytea[])
    AND NOT EXISTS (SELECT FROM destroyed_tasks d WHERE d.task_id = k.task_id)
    AND NOT EXISTS (
        SELECT FROM destroyed_keys d WHERE d.task_id = k.task_id AND d.data_subject = k.data_subject
    );

-- name: find_many_keys
-- purpose: as find_keys, where it is cheaper to read once who was destroyed than to ask about each
SELECT k.data_subject, k.wrapped, k.wrapped_under FROM data_subject_keys k
WHERE k.task_id = %(task)s AND k.data_subject = ANY(%(data_subjects)s::bytea[])
    AND NOT EXISTS (SELECT FROM destroyed_tasks d WHERE d.task_id = %(task)s)
    AND k.data_subject NOT IN (SELECT d.data_subject FROM destroyed_keys d WHERE d.task_id = %(task)s);

-- name: find_packed_keys
-- purpose: as find_many_keys, one after the other, which is cheaper to hand over; by version
SELECT k.wrapped_under, string_agg(k.data_subject, ''::bytea), string_agg(k.wrapped, ''::bytea)
FROM data_subject_keys k
WHERE k.task_id = %(task)s AND k.data_subject = ANY(%(data_subjects)s::bytea[])
    AND NOT EXISTS (SELECT FROM destroyed_tasks d WHERE d.task_id = %(task)s)
    AND k.data_subject NOT IN (SELECT d.data_subject FROM destroyed_keys d WHERE d.task_id = %(task)s)
GROUP BY k.wrapped_under;

-- name: hold_back_new_keys
-- purpose: nobody makes a key while some are destroyed; readers are not held back
LOCK TABLE data_subject_keys, spare_keys IN SHARE ROW EXCLUSIVE MODE;

-- name: log_destroyed_keys
-- purpose: what is destroyed stays destroyed
INSERT INTO destroyed_keys (task_id, data_subject, destroyed_at_us)
SELECT %(task)s, data_subject, %(at_us)s FROM unnest(%(data_subjects)s::bytea[]) AS given (data_subject)
ON CONFLICT DO NOTHING;

-- name: not_destroyed
-- purpose: which of these data subjects the logs do not name
SELECT g.data_subject FROM unnest(%(data_subjects)s::bytea[]) AS g (data_subject)
WHERE NOT EXISTS (SELECT FROM destroyed_tasks d WHERE d.task_id = %(task)s)
    AND NOT EXISTS (
        SELECT FROM destroyed_keys d WHERE d.task_id = %(task)s AND d.data_subject = g.data_subject
    );

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
-- purpose: spare keys of nobody yet; none under a version that is not active any more
INSERT INTO spare_keys (spare_id, wrapped, made_at_us, wrapped_under)
SELECT spare_id, wrapped, %(now_us)s, %(under)s
FROM unnest(%(spare_ids)s::bytea[], %(wrapped)s::bytea[]) AS g (spare_id, wrapped)
WHERE EXISTS (SELECT FROM key_encryption_keys v WHERE v.version = %(under)s AND v.state = 'active');

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
RETURNING s.spare_id, s.data_subject, s.wrapped, s.wrapped_under;
