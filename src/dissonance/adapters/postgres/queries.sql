-- Every statement of the experience store. Ids come out as 16 bytes (uuid_send). Bounds on prediction_id
-- repeat what an id list says, so that PostgreSQL skips the weeks it need not look at; IS NOT DISTINCT FROM
-- keeps it from reading all of a task by the index on event time before the first ANALYZE, when it knows no better.

-- name: revision
-- purpose: the version that migrations brought the database to
SELECT version_num FROM alembic_version;

-- name: claim_name
-- purpose: whether this connection may make a task of this name; the claim ends with the connection
SELECT pg_try_advisory_lock(hashtext('a task of this name is being made'), hashtext(%(name)s));

-- name: release_name
-- purpose: end of a claim
SELECT pg_advisory_unlock(hashtext('a task of this name is being made'), hashtext(%(name)s));

-- name: insert_task
-- purpose: a new task; touches no row when its name or id is taken
INSERT INTO tasks (task_id, name, created_at_us, body)
VALUES (%(task)s, %(name)s, %(created_at_us)s, %(body)s::json) ON CONFLICT DO NOTHING;

-- name: insert_chain_head
-- purpose: the empty hash chain that a task starts with
INSERT INTO chain_heads (task_id, link, digest) VALUES (%(task)s, 0, %(digest)s);

-- name: task_by_name
-- purpose: one task
SELECT body::text FROM tasks WHERE name = %(name)s;

-- name: task_by_id
-- purpose: one task
SELECT body::text FROM tasks WHERE task_id = %(task)s;

-- name: all_tasks
-- purpose: every task, oldest first
SELECT body::text FROM tasks ORDER BY created_at_us, name;

-- name: delete_task
-- purpose: the task and, by cascade, all that refers to it; waits for writers that hold the task
DELETE FROM tasks WHERE task_id = %(task)s;

-- name: delete_experience
-- purpose: all stored rows of a task
DELETE FROM experience WHERE task_id = %(task)s;

-- name: delete_labels
-- purpose: all labels of a task
DELETE FROM labels WHERE task_id = %(task)s;

-- name: delete_verdicts
-- purpose: all verdicts of a task
DELETE FROM verdicts WHERE task_id = %(task)s;

-- name: delete_idempotency
-- purpose: all kept answers of a task
DELETE FROM idempotency WHERE task_id = %(task)s;

-- name: policy_in_force
-- purpose: the policy of the highest version
SELECT body::text FROM policies WHERE task_id = %(task)s ORDER BY version DESC LIMIT 1;

-- name: insert_policy
-- purpose: the next version of a policy; touches no row unless it is the one in force plus 1
INSERT INTO policies (task_id, version, body, reason, set_by, set_at_us)
SELECT %(task)s, %(version)s, %(body)s::json, %(reason)s, %(by)s, %(at_us)s
WHERE %(version)s = 1 + coalesce((SELECT max(version) FROM policies WHERE task_id = %(task)s), 0)
ON CONFLICT DO NOTHING;

-- name: insert_first_policy
-- purpose: the policy that a task starts with, whatever version it carries
INSERT INTO policies (task_id, version, body, reason, set_by, set_at_us)
VALUES (%(task)s, %(version)s, %(body)s::json, %(reason)s, %(by)s, %(at_us)s);

-- name: insert_reference
-- purpose: reference rows that are not there yet
INSERT INTO reference_rows (task_id, row_number, split, data_subject, sealed)
SELECT %(task)s, row_number, split, data_subject, sealed
FROM unnest(%(row_numbers)s::bigint[], %(splits)s::text[], %(data_subjects)s::bytea[], %(sealed)s::bytea[])
    AS given (row_number, split, data_subject, sealed)
ON CONFLICT DO NOTHING;

-- name: reference
-- purpose: the rows of one split, in the order of the data file
SELECT row_number, data_subject, sealed FROM reference_rows
WHERE task_id = %(task)s AND split = %(split)s ORDER BY row_number;

-- name: data_subjects_of_split
-- purpose: who is in a split
SELECT DISTINCT data_subject FROM reference_rows WHERE task_id = %(task)s AND split = %(split)s;

-- name: judged
-- purpose: verdicts that already fell
SELECT uuid_send(prediction_id), verdict, reason, policy_version FROM verdicts
WHERE prediction_id = ANY(%(ids)s::uuid[]) AND prediction_id BETWEEN %(low)s AND %(high)s AND task_id = %(task)s;

-- name: budget_spent
-- purpose: rows admitted under the budget, by hour of event time
SELECT hour, spent FROM budget WHERE task_id = %(task)s AND hour = ANY(%(hours)s::bigint[]);

-- name: lock_chain
-- purpose: replicas of the gate take turns at a task's chain
SELECT link FROM chain_heads WHERE task_id = %(task)s FOR UPDATE;

-- name: record_verdicts
-- purpose: verdicts, budget and one link of the chain, if the budget is what the gate saw; after lock_chain
WITH seen AS (
    SELECT EXISTS (SELECT FROM chain_heads WHERE task_id = %(task)s) AND NOT EXISTS (
        SELECT FROM unnest(%(seen_hours)s::bigint[], %(seen_spent)s::bigint[]) AS expected (hour, spent)
        LEFT JOIN budget ON budget.task_id = %(task)s AND budget.hour = expected.hour
        WHERE coalesce(budget.spent, 0) <> expected.spent
    ) AS unchanged
), recorded AS (
    INSERT INTO verdicts (prediction_id, task_id, policy_version, verdict, reason)
    SELECT prediction_id, %(task)s, %(policy_version)s, verdict, reason
    FROM unnest(%(ids)s::uuid[], %(verdicts)s::text[], %(reasons)s::text[]) AS given (prediction_id, verdict, reason)
    WHERE (SELECT unchanged FROM seen)
), paid AS (
    INSERT INTO budget AS b (task_id, hour, spent)
    SELECT %(task)s, hour, spent
    FROM unnest(%(paid_hours)s::bigint[], %(paid)s::bigint[]) AS given (hour, spent)
    WHERE (SELECT unchanged FROM seen)
    ON CONFLICT (task_id, hour) DO UPDATE SET spent = b.spent + excluded.spent
), head AS (
    SELECT link, digest FROM chain_heads WHERE task_id = %(task)s AND (SELECT unchanged FROM seen)
), moved AS (
    UPDATE chain_heads SET link = head.link + 1, digest = sha256(head.digest || %(evidence)s) FROM head
    WHERE chain_heads.task_id = %(task)s
)
INSERT INTO verdict_log (task_id, link, previous, digest, evidence)
SELECT %(task)s, link + 1, digest, sha256(digest || %(evidence)s), %(evidence)s FROM head;

-- name: chain_head
-- purpose: where the chain ends
SELECT link, digest FROM chain_heads WHERE task_id = %(task)s;

-- name: chain_links
-- purpose: the next links of the chain, in order
SELECT link, previous, digest, evidence FROM verdict_log
WHERE task_id = %(task)s AND link > %(after)s ORDER BY link LIMIT %(limit)s;

-- name: insert_experience
-- purpose: rows that are not there yet, of tasks that exist (and cannot be deleted meanwhile)
WITH events AS (
    SELECT event, tasks.task_id, model_digest, critic_digest, policy_version
    FROM tasks JOIN unnest(
        %(tasks)s::uuid[], %(model_digests)s::bytea[], %(critic_digests)s::bytea[], %(policy_versions)s::bigint[]
    ) WITH ORDINALITY AS given (task_id, model_digest, critic_digest, policy_version, event)
        ON tasks.task_id = given.task_id
    FOR KEY SHARE OF tasks
)
INSERT INTO experience (
    prediction_id, task_id, event_time_us, processing_time_us, confidence, dissonance, propensity, policy_version,
    model_digest, critic_digest, data_subject, verdict, reason, canary_arm, sealed
)
SELECT
    prediction_id, task_id, event_time_us, processing_time_us, confidence, dissonance, propensity, policy_version,
    model_digest, critic_digest, data_subject, verdict, reason, canary_arm, sealed
FROM unnest(
    %(events)s::bigint[], %(ids)s::uuid[], %(event_times_us)s::bigint[], %(processing_times_us)s::bigint[],
    %(confidences)s::float8[], %(dissonances)s::float8[], %(propensities)s::float8[], %(data_subjects)s::bytea[],
    %(verdicts)s::text[], %(reasons)s::text[], %(canary_arms)s::text[], %(sealed)s::bytea[]
) AS given (
    event, prediction_id, event_time_us, processing_time_us, confidence, dissonance, propensity, data_subject,
    verdict, reason, canary_arm, sealed
) JOIN events USING (event)
ORDER BY prediction_id
ON CONFLICT DO NOTHING;

-- name: data_subjects_of
-- purpose: data subject and event time of stored rows
SELECT uuid_send(prediction_id), data_subject, event_time_us FROM experience
WHERE prediction_id = ANY(%(ids)s::uuid[]) AND prediction_id BETWEEN %(low)s AND %(high)s
    AND task_id IS NOT DISTINCT FROM %(task)s;

-- name: stored_ids
-- purpose: which of these ids are stored
SELECT uuid_send(prediction_id) FROM experience
WHERE prediction_id = ANY(%(ids)s::uuid[]) AND prediction_id BETWEEN %(low)s AND %(high)s
    AND task_id IS NOT DISTINCT FROM %(task)s;

-- name: find
-- purpose: stored rows by id, with their labels
SELECT
    uuid_send(e.prediction_id), e.data_subject, e.event_time_us, e.processing_time_us, e.sealed, e.model_digest,
    e.critic_digest, e.policy_version, e.verdict, e.reason, e.confidence, e.dissonance,
    l.sealed, l.labelled_at_us, l.is_right
FROM experience e LEFT JOIN labels l
    ON l.prediction_id = e.prediction_id AND l.prediction_id BETWEEN %(low)s AND %(high)s
WHERE e.prediction_id = ANY(%(ids)s::uuid[]) AND e.prediction_id BETWEEN %(low)s AND %(high)s
    AND e.task_id IS NOT DISTINCT FROM %(task)s;

-- name: between
-- purpose: stored rows of a stretch of event time, with their labels, in order
SELECT
    uuid_send(e.prediction_id), e.data_subject, e.event_time_us, e.processing_time_us, e.sealed, e.model_digest,
    e.critic_digest, e.policy_version, e.verdict, e.reason, e.confidence, e.dissonance,
    l.sealed, l.labelled_at_us, l.is_right
FROM experience e LEFT JOIN labels l USING (prediction_id)
WHERE e.task_id = %(task)s AND e.event_time_us >= %(start_us)s AND e.event_time_us < %(end_us)s
ORDER BY e.event_time_us, e.prediction_id LIMIT %(limit)s::bigint;

-- name: learnable
-- purpose: admitted rows that have a label, in order of event time
SELECT
    uuid_send(e.prediction_id), e.data_subject, e.event_time_us, e.processing_time_us, e.sealed, e.model_digest,
    e.critic_digest, e.policy_version, e.verdict, e.reason, e.confidence, e.dissonance,
    l.sealed, l.labelled_at_us, l.is_right
FROM experience e JOIN labels l USING (prediction_id)
WHERE e.task_id = %(task)s AND e.verdict = 'admitted'
ORDER BY e.event_time_us, e.prediction_id;

-- name: upsert_labels
-- purpose: labels of stored rows; the latest of an id wins
INSERT INTO labels AS l (prediction_id, task_id, labelled_at_us, is_right, source, sealed)
SELECT e.prediction_id, e.task_id, given.labelled_at_us, given.is_right, %(source)s, given.sealed
FROM (
    SELECT DISTINCT ON (prediction_id) prediction_id, labelled_at_us, is_right, sealed
    FROM unnest(%(ids)s::uuid[], %(labelled_at_us)s::bigint[], %(right)s::boolean[], %(sealed)s::bytea[])
        WITH ORDINALITY AS g (prediction_id, labelled_at_us, is_right, sealed, position)
    ORDER BY prediction_id, labelled_at_us DESC, position
) AS given JOIN experience e
    ON e.prediction_id = given.prediction_id AND e.prediction_id BETWEEN %(low)s AND %(high)s
WHERE e.task_id IS NOT DISTINCT FROM %(task)s
ORDER BY e.prediction_id
ON CONFLICT (prediction_id) DO UPDATE
SET labelled_at_us = excluded.labelled_at_us, is_right = excluded.is_right, source = excluded.source,
    sealed = excluded.sealed
WHERE excluded.labelled_at_us > l.labelled_at_us;

-- name: figures
-- purpose: the sums of a window, computed where the rows are
SELECT
    count(*), count(l.prediction_id), count(*) FILTER (WHERE l.is_right), coalesce(sum(e.confidence), 0),
    coalesce(sum(e.dissonance), 0), count(*) FILTER (WHERE e.dissonance > %(d_target)s)
FROM experience e LEFT JOIN labels l USING (prediction_id)
WHERE e.task_id = %(task)s AND e.event_time_us >= %(start_us)s AND e.event_time_us < %(end_us)s;

-- name: count_rows
-- purpose: stored rows by verdict
SELECT count(*) FILTER (WHERE verdict = 'admitted'), count(*) FILTER (WHERE verdict = 'blocked')
FROM experience WHERE task_id = %(task)s;

-- name: count_labels
-- purpose: stored rows that have a label
SELECT count(*) FROM labels WHERE task_id = %(task)s;

-- name: latest_event_time
-- purpose: how far event time has come
SELECT max(event_time_us) FROM experience WHERE task_id = %(task)s;

-- name: delete_before
-- purpose: retention of single rows, where a week cannot go as a whole; says how many rows and labels went
WITH gone AS (
    DELETE FROM experience WHERE task_id = %(task)s AND processing_time_us < %(oldest_us)s RETURNING prediction_id
), unlabelled AS (
    DELETE FROM labels USING gone WHERE labels.prediction_id = gone.prediction_id RETURNING 1
), unjudged AS (
    DELETE FROM verdicts USING gone WHERE verdicts.prediction_id = gone.prediction_id
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM unlabelled);

-- name: insert_retention_count
-- purpose: what retention dropped is counted, never lost in silence
INSERT INTO retention_counts (task_id, dropped_at_us, oldest_us, rows, labels)
SELECT task_id, %(at_us)s, %(oldest_us)s, %(rows)s, %(labels)s FROM tasks WHERE task_id = %(task)s;

-- name: dropped_by_retention
-- purpose: how many rows of a task retention dropped so far
SELECT coalesce(sum(rows), 0)::bigint FROM retention_counts WHERE task_id = %(task)s;

-- name: save_window
-- purpose: the next revision of a window, if its figures changed; of the time that it was open only the last few stay
WITH latest AS (
    SELECT * FROM windows WHERE task_id = %(task)s AND window_id = %(window_id)s ORDER BY revision DESC LIMIT 1
), inserted AS (
    INSERT INTO windows (
        task_id, window_id, revision, start_us, end_us, rows, labelled, mean_doubt, mean_dissonance, share_over_target,
        estimated_accuracy, realised_accuracy, closed, saved_at_us
    )
    SELECT
        %(task)s, %(window_id)s, coalesce((SELECT revision FROM latest), 0) + 1, %(start_us)s, %(end_us)s, %(rows)s,
        %(labelled)s, %(mean_doubt)s, %(mean_dissonance)s, %(share_over_target)s, %(estimated_accuracy)s,
        %(realised_accuracy)s, %(closed)s, %(at_us)s
    WHERE NOT EXISTS (
        SELECT FROM latest
        WHERE (
            start_us, end_us, rows, labelled, mean_doubt, mean_dissonance, share_over_target, estimated_accuracy,
            realised_accuracy, closed
        ) IS NOT DISTINCT FROM (
            %(start_us)s::bigint, %(end_us)s::bigint, %(rows)s::bigint, %(labelled)s::bigint, %(mean_doubt)s::float8,
            %(mean_dissonance)s::float8, %(share_over_target)s::float8, %(estimated_accuracy)s::float8,
            %(realised_accuracy)s::float8, %(closed)s::boolean
        )
    )
    ON CONFLICT DO NOTHING
    RETURNING revision
), superseded AS (
    DELETE FROM windows USING inserted
    WHERE task_id = %(task)s AND window_id = %(window_id)s AND NOT closed
        AND windows.revision < inserted.revision - %(kept)s
)
SELECT revision FROM inserted;

-- name: windows
-- purpose: the latest revision of each window, newest window first
SELECT
    window_id, start_us, end_us, revision, rows, labelled, mean_doubt, mean_dissonance, share_over_target,
    estimated_accuracy, realised_accuracy, closed
FROM windows w
WHERE task_id = %(task)s AND NOT EXISTS (
    SELECT FROM windows later
    WHERE later.task_id = w.task_id AND later.window_id = w.window_id AND later.revision > w.revision
)
ORDER BY start_us DESC, window_id LIMIT %(limit)s;

-- name: window
-- purpose: the latest revision of one window
SELECT
    window_id, start_us, end_us, revision, rows, labelled, mean_doubt, mean_dissonance, share_over_target,
    estimated_accuracy, realised_accuracy, closed
FROM windows WHERE task_id = %(task)s AND window_id = %(window_id)s ORDER BY revision DESC LIMIT 1;

-- name: reserve
-- purpose: keep answers whose key is new; returns those keys
INSERT INTO idempotency (task_id, key_hash, body_digest, answer, kept_at_us)
SELECT %(task)s, key_hash, body_digest, answer, %(now_us)s
FROM unnest(%(keys)s::bytea[], %(bodies)s::bytea[], %(answers)s::bytea[]) AS given (key_hash, body_digest, answer)
ON CONFLICT DO NOTHING
RETURNING key_hash;

-- name: kept_answers
-- purpose: the answers that these keys got first
SELECT key_hash, body_digest, answer FROM idempotency
WHERE task_id = %(task)s AND key_hash = ANY(%(keys)s::bytea[]);

-- name: forget_idempotency
-- purpose: answers kept before this time
DELETE FROM idempotency WHERE kept_at_us < %(older_than_us)s;
