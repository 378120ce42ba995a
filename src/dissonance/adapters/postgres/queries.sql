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

-- name: task_names
-- purpose: what every task is called, which is not sealed, oldest first
SELECT name FROM tasks ORDER BY created_at_us, name;

-- name: delete_task
-- purpose: the task and, by cascade, all that refers to it; waits for writers that hold the task
DELETE FROM tasks WHERE task_id = %(task)s;

-- name: delete_chain_head
-- purpose: nobody adds to a task's chain any more; waits for who does
DELETE FROM chain_heads WHERE task_id = %(task)s;

-- name: delete_chain_links
-- purpose: the links of a task's chain
DELETE FROM verdict_log WHERE task_id = %(task)s;

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

-- name: policy_history
-- purpose: every version of a policy, newest first
SELECT body::text, reason, set_by, set_at_us FROM policies
WHERE task_id = %(task)s ORDER BY version DESC LIMIT %(limit)s;

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
-- purpose: the next rows of one split, in the order of the data file; comes packed (`packed.py`)
SELECT row_number, data_subject, sealed FROM reference_rows
WHERE task_id = %(task)s AND split = %(split)s AND row_number > %(after)s
ORDER BY row_number LIMIT %(most_rows)s;

-- name: data_subjects_of_splits
-- purpose: who is in some splits
SELECT DISTINCT data_subject FROM reference_rows WHERE task_id = %(task)s AND split = ANY(%(splits)s::text[]);

-- name: retire_golden
-- purpose: the golden holdout is none any more; after lock_chain
UPDATE reference_rows SET split = %(retired)s WHERE task_id = %(task)s AND split = %(golden)s;

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
-- purpose: the next links of the chain, in order, each with the decision that is indexed under it
SELECT l.link, l.previous, l.digest, l.evidence, coalesce(d.decision_id, '')
FROM verdict_log l LEFT JOIN decisions d USING (task_id, link)
WHERE l.task_id = %(task)s AND l.link > %(after)s ORDER BY l.link LIMIT %(limit)s;

-- name: decision_link
-- purpose: the link of the chain that holds what was decided for a cause
SELECT link FROM decisions WHERE task_id = %(task)s AND cause = %(cause)s;

-- name: append_decision
-- purpose: one link of the chain and the decision it proves, which is kept sealed; after lock_chain
WITH head AS (
    SELECT link, digest FROM chain_heads WHERE task_id = %(task)s
), moved AS (
    UPDATE chain_heads SET link = head.link + 1, digest = sha256(head.digest || %(evidence)s) FROM head
    WHERE chain_heads.task_id = %(task)s
), proven AS (
    INSERT INTO verdict_log (task_id, link, previous, digest, evidence)
    SELECT %(task)s, link + 1, digest, sha256(digest || %(evidence)s), %(kept)s FROM head
)
INSERT INTO decisions (task_id, link, decision_id, cause, kind, version, decided_at_us)
SELECT %(task)s, link + 1, %(decision_id)s, %(cause)s, %(kind)s, %(version)s, %(decided_at_us)s FROM head
RETURNING link;

-- name: decisions
-- purpose: decisions with their evidence, the newest first
SELECT d.link, d.decision_id, d.cause, d.kind, d.version, d.decided_at_us, l.evidence
FROM decisions d JOIN verdict_log l USING (task_id, link)
WHERE d.task_id = %(task)s AND d.kind = ANY (%(kinds)s) AND (%(version)s::integer IS NULL OR d.version = %(version)s)
    AND d.decided_at_us >= %(start_us)s AND d.decided_at_us < %(end_us)s
ORDER BY d.link DESC LIMIT %(limit)s;

-- name: decisions_named
-- purpose: decisions whose id starts so; two are enough to say that it is not one
SELECT d.link, d.decision_id, d.cause, d.kind, d.version, d.decided_at_us, l.evidence
FROM decisions d JOIN verdict_log l USING (task_id, link)
WHERE d.task_id = %(task)s AND starts_with(d.decision_id, %(start)s) ORDER BY d.link LIMIT 2;

-- name: decision_of
-- purpose: what was decided for a cause
SELECT d.link, d.decision_id, d.cause, d.kind, d.version, d.decided_at_us, l.evidence
FROM decisions d JOIN verdict_log l USING (task_id, link)
WHERE d.task_id = %(task)s AND d.cause = %(cause)s;

-- name: insert_experience
-- purpose: rows that are not there yet, of tasks that exist (and cannot be deleted meanwhile)
WITH events AS (
    SELECT event, tasks.task_id, model_digest, critic_digest, shadow_digest, policy_version
    FROM tasks JOIN unnest(
        %(tasks)s::uuid[], %(model_digests)s::bytea[], %(critic_digests)s::bytea[], %(shadow_digests)s::bytea[],
        %(policy_versions)s::bigint[]
    ) WITH ORDINALITY AS given (task_id, model_digest, critic_digest, shadow_digest, policy_version, event)
        ON tasks.task_id = given.task_id
    FOR KEY SHARE OF tasks
)
INSERT INTO experience (
    prediction_id, task_id, event_time_us, processing_time_us, confidence, dissonance, propensity, policy_version,
    model_digest, critic_digest, shadow_digest, data_subject, verdict, reason, canary_arm, sealed
)
SELECT
    prediction_id, task_id, event_time_us, processing_time_us, confidence, dissonance, propensity, policy_version,
    model_digest, critic_digest, shadow_digest, data_subject, verdict, reason, canary_arm, sealed
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

-- name: outcomes
-- purpose: what became of those of these ids that are stored
SELECT uuid_send(prediction_id), confidence, dissonance, verdict, reason FROM experience
WHERE prediction_id = ANY(%(ids)s::uuid[]) AND prediction_id BETWEEN %(low)s AND %(high)s
    AND task_id IS NOT DISTINCT FROM %(task)s;

-- name: find
-- purpose: stored rows by id, with their labels
SELECT
    uuid_send(e.prediction_id), e.data_subject, e.event_time_us, e.processing_time_us, e.sealed, e.model_digest,
    e.critic_digest, e.policy_version, e.verdict, e.reason, e.confidence, e.dissonance,
    l.sealed, l.labelled_at_us, l.is_right, e.canary_arm, e.shadow_digest
FROM experience e LEFT JOIN labels l
    ON l.prediction_id = e.prediction_id AND l.prediction_id BETWEEN %(low)s AND %(high)s AND l.is_right IS NOT NULL
WHERE e.prediction_id = ANY(%(ids)s::uuid[]) AND e.prediction_id BETWEEN %(low)s AND %(high)s
    AND e.task_id IS NOT DISTINCT FROM %(task)s;

-- name: between
-- purpose: stored rows of a stretch of event time, with their labels, the newest first
SELECT
    uuid_send(e.prediction_id), e.data_subject, e.event_time_us, e.processing_time_us, e.sealed, e.model_digest,
    e.critic_digest, e.policy_version, e.verdict, e.reason, e.confidence, e.dissonance,
    l.sealed, l.labelled_at_us, l.is_right, e.canary_arm, e.shadow_digest
FROM experience e LEFT JOIN labels l ON l.prediction_id = e.prediction_id AND l.is_right IS NOT NULL
WHERE e.task_id = %(task)s AND e.event_time_us >= %(start_us)s AND e.event_time_us < %(end_us)s
ORDER BY e.event_time_us DESC, e.prediction_id DESC LIMIT %(newest)s::bigint;

-- name: learnable
-- purpose: the next admitted rows with a label to learn from, by id; looked up by their labels; packed (`packed.py`)
SELECT
    uuid_send(l.prediction_id) AS prediction_id, e.event_time_us, e.data_subject, e.sealed,
    l.sealed AS label, e.model_digest, textsend(l.source) AS source
FROM (
    SELECT prediction_id, sealed, source FROM labels
    WHERE prediction_id > %(after)s AND task_id = %(task)s AND learnable AND is_right IS NOT NULL
        AND labelled_at_us <= %(as_of_us)s
    ORDER BY prediction_id
) AS l CROSS JOIN LATERAL (
    SELECT event_time_us, data_subject, sealed, model_digest FROM experience
    WHERE prediction_id = l.prediction_id AND task_id = %(task)s AND verdict = 'admitted'
        AND processing_time_us <= %(as_of_us)s
    OFFSET 0
) AS e
ORDER BY l.prediction_id LIMIT %(most_rows)s;

-- name: answered
-- purpose: of those the newest that one model answered, outside a window, newest first
SELECT
    uuid_send(e.prediction_id), e.event_time_us, e.data_subject, e.sealed, l.sealed, e.model_digest, textsend(l.source)
FROM experience e JOIN labels l USING (prediction_id)
WHERE e.task_id = %(task)s AND e.verdict = 'admitted' AND l.learnable AND l.is_right IS NOT NULL
    AND %(model)s IN (e.model_digest, e.shadow_digest)
    AND NOT (e.event_time_us >= %(start_us)s AND e.event_time_us < %(end_us)s)
ORDER BY e.event_time_us DESC, e.prediction_id DESC LIMIT %(newest)s;

-- name: upsert_labels
-- purpose: labels of stored rows; the latest of an id wins, a withdrawal (is_right is null) too
INSERT INTO labels AS l (
    prediction_id, task_id, labelled_at_us, is_right, critic_right, shadow_right, learnable, admitted, source, sealed
)
SELECT
    e.prediction_id, e.task_id, given.labelled_at_us, given.is_right, given.critic_right, given.shadow_right,
    given.learnable, e.verdict = 'admitted', %(source)s, given.sealed
FROM (
    SELECT DISTINCT ON (prediction_id)
        prediction_id, labelled_at_us, nullif(is_right, -1)::integer::boolean AS is_right,
        nullif(critic_right, -1)::integer::boolean AS critic_right,
        nullif(shadow_right, -1)::integer::boolean AS shadow_right, learnable, sealed
    FROM unnest(
        %(ids)s::uuid[], %(labelled_at_us)s::bigint[], %(right)s::bigint[], %(critic_right)s::bigint[],
        %(shadow_right)s::bigint[], %(learnable)s::boolean[], %(sealed)s::bytea[]
    ) WITH ORDINALITY AS g (
        prediction_id, labelled_at_us, is_right, critic_right, shadow_right, learnable, sealed, position
    )
    ORDER BY prediction_id, labelled_at_us DESC, position
) AS given JOIN experience e
    ON e.prediction_id = given.prediction_id AND e.prediction_id BETWEEN %(low)s AND %(high)s
WHERE e.task_id IS NOT DISTINCT FROM %(task)s
ORDER BY e.prediction_id
ON CONFLICT (prediction_id) DO UPDATE
SET labelled_at_us = excluded.labelled_at_us, is_right = excluded.is_right, critic_right = excluded.critic_right,
    shadow_right = excluded.shadow_right, learnable = excluded.learnable, source = excluded.source,
    sealed = excluded.sealed
WHERE excluded.labelled_at_us > l.labelled_at_us;

-- name: label_figures
-- purpose: labels that are there, that may be learnt from, that wait for a second look, that were withdrawn
SELECT
    count(*) FILTER (WHERE is_right IS NOT NULL),
    count(*) FILTER (WHERE is_right IS NOT NULL AND learnable AND admitted),
    count(*) FILTER (WHERE is_right IS NOT NULL AND NOT learnable),
    count(*) FILTER (WHERE is_right IS NULL),
    max(labelled_at_us) FILTER (WHERE is_right IS NOT NULL)
FROM labels WHERE task_id = %(task)s;

-- name: predictions_of
-- purpose: for each data subject and time its latest input not later, and not longer ago than %(within_us)s
SELECT position, found.prediction_id
FROM unnest(%(data_subjects)s::bytea[], %(times_us)s::bigint[])
    WITH ORDINALITY AS asked (data_subject, time_us, position)
CROSS JOIN LATERAL (
    SELECT uuid_send(e.prediction_id) AS prediction_id FROM experience e
    WHERE e.data_subject = asked.data_subject AND e.task_id = %(task)s
        AND e.event_time_us BETWEEN asked.time_us - %(within_us)s AND asked.time_us
    ORDER BY e.event_time_us DESC, e.prediction_id DESC LIMIT 1
) AS found;

-- name: rows_per_hour
-- purpose: stored rows of data subjects by hour of event time; person by person, else all rows of the hours are read
SELECT
    asked.data_subject, e.event_time_us / 3600000000 - (e.event_time_us %% 3600000000 < 0)::integer AS hour, count(*)
FROM unnest(%(data_subjects)s::bytea[]) AS asked (data_subject)
CROSS JOIN LATERAL (
    SELECT event_time_us FROM experience
    WHERE experience.data_subject = asked.data_subject AND task_id = %(task)s
        AND event_time_us >= %(start_us)s AND event_time_us < %(end_us)s
    OFFSET 0
) AS e
GROUP BY 1, 2;

-- name: nth_event_time
-- purpose: event time of the n-th row from a time on
SELECT event_time_us FROM experience WHERE task_id = %(task)s AND event_time_us >= %(from_us)s
ORDER BY event_time_us OFFSET %(skipped)s LIMIT 1;

-- name: least_sure
-- purpose: how sure the critic is of the n-th least sure row of a stretch, and how many rows it is at most as sure of
WITH of_stretch AS (
    SELECT abs(2 * confidence - 1) AS sure FROM experience
    WHERE task_id = %(task)s AND event_time_us >= %(start_us)s AND event_time_us < %(end_us)s
), nth AS (SELECT sure FROM of_stretch ORDER BY sure OFFSET %(skipped)s LIMIT 1)
SELECT nth.sure, (SELECT count(*) FROM of_stretch WHERE of_stretch.sure <= nth.sure) FROM nth;

-- name: figures
-- purpose: the sums of a window; checks are asked label by label: joined, the newest rows were each compared with all
SELECT
    count(*), count(l.prediction_id), count(*) FILTER (WHERE l.is_right), coalesce(sum(e.confidence), 0),
    coalesce(sum(e.dissonance), 0), count(*) FILTER (WHERE e.dissonance > %(d_target)s),
    coalesce(sum(e.confidence * (1 - e.confidence)), 0),
    coalesce(sum(l.labelled_at_us - e.event_time_us), 0)::float8,
    count(*) FILTER (WHERE l.checked),
    count(*) FILTER (WHERE l.checked AND l.is_right),
    count(*) FILTER (WHERE l.checked AND NOT l.is_right AND NOT l.critic_right)
FROM experience e
LEFT JOIN LATERAL (
    SELECT
        prediction_id, labelled_at_us, is_right, critic_right, EXISTS (
            SELECT FROM label_requests r
            WHERE r.prediction_id = labels.prediction_id AND r.task_id = %(task)s AND r.asked_as = 'random_check'
        ) AS checked
    FROM labels WHERE labels.prediction_id = e.prediction_id AND is_right IS NOT NULL AND learnable
) l ON true
WHERE e.task_id = %(task)s AND e.event_time_us >= %(start_us)s AND e.event_time_us < %(end_us)s;

-- name: paired_counts
-- purpose: labelled rows that one model answered with another in its shadow, by the chance that they were asked for with
WITH drawn AS (
    SELECT prediction_id, max(propensity) AS propensity FROM label_requests
    WHERE task_id = %(task)s AND asked_as IN ('random_check', 'chosen') AND event_time_us >= %(since_us)s
    GROUP BY prediction_id
)
SELECT
    round(%(steps)s * ln(d.propensity) / ln(2.0::float8))::integer AS step,
    count(*) FILTER (WHERE l.is_right AND l.shadow_right), count(*) FILTER (WHERE l.is_right AND NOT l.shadow_right),
    count(*) FILTER (WHERE NOT l.is_right AND l.shadow_right),
    count(*) FILTER (WHERE NOT l.is_right AND NOT l.shadow_right)
FROM experience e JOIN labels l USING (prediction_id) LEFT JOIN drawn d USING (prediction_id)
WHERE e.task_id = %(task)s AND e.event_time_us >= %(since_us)s AND e.model_digest = %(model)s
    AND e.shadow_digest = %(shadow)s AND l.learnable AND l.is_right IS NOT NULL AND l.shadow_right IS NOT NULL
GROUP BY step;

-- name: insert_requests
-- purpose: label requests that are not there yet
INSERT INTO label_requests (
    task_id, request_id, prediction_id, data_subject, asked_as, propensity, random_propensity, event_time_us,
    asked_at_us, state, leased_by, leased_until_us
)
SELECT
    tasks.task_id, request_id, prediction_id, data_subject, asked_as, propensity, random_propensity, event_time_us,
    asked_at_us, 'open', '', 0
FROM tasks, unnest(
    %(request_ids)s::uuid[], %(ids)s::uuid[], %(data_subjects)s::bytea[], %(asked_as)s::text[],
    %(propensities)s::float8[], %(random_propensities)s::float8[], %(event_times_us)s::bigint[],
    %(asked_at_us)s::bigint[]
) AS given (
    request_id, prediction_id, data_subject, asked_as, propensity, random_propensity, event_time_us, asked_at_us
)
WHERE tasks.task_id = %(task)s
ON CONFLICT DO NOTHING;

-- name: asked_on
-- purpose: requests under the budget, by day of event time
SELECT floor(event_time_us / 86400000000.0)::bigint AS day, count(*) FROM label_requests
WHERE task_id = %(task)s AND asked_as IN ('random_check', 'chosen')
    AND event_time_us >= %(start_us)s AND event_time_us < %(end_us)s
GROUP BY 1;

-- name: drawn_rows
-- purpose: the newest rows of a stretch: which the draw asked about, with which chance, and their labels
WITH drawn AS MATERIALIZED (
    SELECT prediction_id, propensity FROM label_requests
    WHERE task_id = %(task)s AND asked_as IN ('random_check', 'chosen')
        AND event_time_us >= %(start_us)s AND event_time_us < %(end_us)s
), newest AS MATERIALIZED (
    SELECT prediction_id, event_time_us, confidence FROM experience
    WHERE task_id = %(task)s AND event_time_us >= %(start_us)s AND event_time_us < %(end_us)s AND reason <> 'erased'
    ORDER BY event_time_us DESC, prediction_id DESC LIMIT %(newest)s
)
SELECT newest.event_time_us, newest.confidence, drawn.propensity, l.labelled_at_us, l.is_right
FROM newest LEFT JOIN drawn USING (prediction_id)
LEFT JOIN LATERAL (
    SELECT labelled_at_us, is_right FROM labels
    WHERE labels.prediction_id = drawn.prediction_id AND is_right IS NOT NULL AND learnable
) l ON true
ORDER BY newest.event_time_us, newest.prediction_id;

-- name: lease
-- purpose: take open requests, second looks first, then the random check, then the newest; nobody gets one twice
WITH free AS MATERIALIZED (
    SELECT request_id FROM label_requests
    WHERE task_id = %(task)s AND (state = 'open' OR (state = 'leased' AND leased_until_us <= %(now_us)s))
    ORDER BY
        CASE asked_as WHEN 'second_look' THEN 0 WHEN 'random_check' THEN 1 ELSE 2 END, event_time_us DESC, request_id
    LIMIT %(count)s FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE label_requests r SET state = 'leased', leased_by = %(by)s, leased_until_us = %(until_us)s
    FROM free WHERE r.task_id = %(task)s AND r.request_id = free.request_id
    RETURNING r.*
)
SELECT
    uuid_send(request_id), uuid_send(prediction_id), data_subject, asked_as, propensity, random_propensity,
    event_time_us, asked_at_us, state, leased_by, leased_until_us
FROM taken
ORDER BY CASE asked_as WHEN 'second_look' THEN 0 WHEN 'random_check' THEN 1 ELSE 2 END, event_time_us DESC, request_id;

-- name: settle
-- purpose: the state of requests that are open or leased
UPDATE label_requests SET state = %(state)s, leased_by = '', leased_until_us = 0
WHERE task_id = %(task)s AND request_id = ANY(%(ids)s::uuid[]) AND state IN ('open', 'leased')
    AND (%(by)s = '' OR (state = 'leased' AND leased_by = %(by)s));

-- name: settle_answered
-- purpose: what was asked about these predictions is answered; second looks wait for their own answer
UPDATE label_requests SET state = 'answered', leased_by = '', leased_until_us = 0
WHERE task_id = %(task)s AND prediction_id = ANY(%(ids)s::uuid[]) AND state IN ('open', 'leased')
    AND asked_as <> 'second_look';

-- name: requests
-- purpose: label requests, newest event time first
SELECT
    uuid_send(request_id), uuid_send(prediction_id), data_subject, asked_as, propensity, random_propensity,
    event_time_us, asked_at_us, state, leased_by, leased_until_us
FROM label_requests WHERE task_id = %(task)s AND (%(state)s = '' OR state = %(state)s)
ORDER BY event_time_us DESC, request_id LIMIT %(limit)s;

-- name: requests_for
-- purpose: label requests about these predictions
SELECT
    uuid_send(request_id), uuid_send(prediction_id), data_subject, asked_as, propensity, random_propensity,
    event_time_us, asked_at_us, state, leased_by, leased_until_us
FROM label_requests WHERE task_id = %(task)s AND prediction_id = ANY(%(ids)s::uuid[]);

-- name: requests_by_id
-- purpose: label requests by their own ids
SELECT
    uuid_send(request_id), uuid_send(prediction_id), data_subject, asked_as, propensity, random_propensity,
    event_time_us, asked_at_us, state, leased_by, leased_until_us
FROM label_requests WHERE task_id = %(task)s AND request_id = ANY(%(ids)s::uuid[]);

-- name: queue_counts
-- purpose: label requests by state (a lease that ran out is open) and by why they were asked
SELECT
    CASE WHEN state = 'leased' AND leased_until_us <= %(now_us)s THEN 'open' ELSE state END, asked_as, count(*)
FROM label_requests WHERE task_id = %(task)s GROUP BY 1, 2;

-- name: drop_requests
-- purpose: requests about rows that retention dropped
DELETE FROM label_requests r WHERE task_id = %(task)s AND prediction_id < %(below)s
    AND NOT EXISTS (SELECT FROM experience e WHERE e.prediction_id = r.prediction_id);

-- name: insert_rollout
-- purpose: the beginning of a rollout, unless one of the task is live; after lock_chain
INSERT INTO rollouts (task_id, rollout_id, revision, phase, body)
SELECT %(task)s, %(rollout)s, 1, %(phase)s, %(body)s::jsonb
WHERE NOT EXISTS (SELECT FROM rollouts WHERE task_id = %(task)s AND phase = ANY(%(live)s::text[]))
ON CONFLICT DO NOTHING;

-- name: update_rollout
-- purpose: the next revision of a rollout, if nobody was faster
UPDATE rollouts SET revision = %(revision)s, phase = %(phase)s, body = %(body)s::jsonb
WHERE task_id = %(task)s AND rollout_id = %(rollout)s AND revision = %(revision)s - 1;

-- name: insert_untold
-- purpose: what is to be told of a rollout, in the transaction that saves it
INSERT INTO untold_rollouts (task_id, event_id, saved_us, body)
VALUES (%(task)s, %(event_id)s, %(saved_us)s, %(body)s::jsonb);

-- name: untold_rollouts
-- purpose: what was saved before a time and nobody said was told, of all tasks
SELECT body::text FROM untold_rollouts WHERE saved_us < %(saved_before_us)s ORDER BY saved;

-- name: delete_untold
-- purpose: what was told
DELETE FROM untold_rollouts WHERE task_id = %(task)s AND event_id = ANY(%(event_ids)s::text[]);

-- name: rollouts
-- purpose: rollouts, the newest first
SELECT body::text FROM rollouts WHERE task_id = %(task)s ORDER BY begun DESC LIMIT %(limit)s;

-- name: live_rollouts
-- purpose: rollouts of all tasks that are under way
SELECT body::text FROM rollouts WHERE phase = ANY(%(phases)s);

-- name: judgement_link
-- purpose: the link of the chain that holds a judgement
SELECT link FROM update_judgements WHERE task_id = %(task)s AND event_id = %(event_id)s;

-- name: insert_judgement
-- purpose: a judgement, beside the link of the chain that proves it
INSERT INTO update_judgements (task_id, event_id, link, body) VALUES (%(task)s, %(event_id)s, %(link)s, %(body)s);

-- name: updates
-- purpose: judgements of updates, the newest first
SELECT body FROM update_judgements WHERE task_id = %(task)s ORDER BY link DESC LIMIT %(limit)s;

-- name: open_finding
-- purpose: keep a finding, or bring the open one up to date; says whether it is new
INSERT INTO findings AS f (task_id, code, subject, severity, first_seen_us, body)
VALUES (%(task)s, %(code)s, %(subject)s, %(severity)s, %(first_seen_us)s, %(body)s::jsonb)
ON CONFLICT (task_id, code, subject) WHERE resolved_at_us IS NULL DO UPDATE
SET severity = excluded.severity, body = excluded.body
RETURNING xmax = 0;

-- name: resolve_finding
-- purpose: what was found is no longer so
UPDATE findings SET resolved_at_us = %(at_us)s
WHERE task_id = %(task)s AND code = %(code)s AND subject = %(subject)s AND resolved_at_us IS NULL;

-- name: findings
-- purpose: the worst first, then the newest; those of deleted tasks are left out
SELECT f.body::text, f.first_seen_us, f.resolved_at_us FROM findings f
WHERE (%(every_task)s OR f.task_id = %(task)s) AND (%(include_resolved)s OR f.resolved_at_us IS NULL)
    AND (f.task_id = %(system)s OR EXISTS (SELECT FROM tasks WHERE tasks.task_id = f.task_id))
ORDER BY f.severity DESC, f.first_seen_us DESC, f.code, f.subject;

-- name: delete_findings
-- purpose: all findings about a task
DELETE FROM findings WHERE task_id = %(task)s;

-- name: texts_in_plain
-- purpose: where what is to be sealed still is as it was said
SELECT texts_in_plain();

-- name: database_time
-- purpose: the database's clock, in microseconds since 1970
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- name: count_rows
-- purpose: stored rows by verdict
SELECT count(*) FILTER (WHERE verdict = 'admitted'), count(*) FILTER (WHERE verdict = 'blocked')
FROM experience WHERE task_id = %(task)s;

-- name: count_labels
-- purpose: stored rows that have a label: not withdrawn, not waiting for a second look
SELECT count(*) FROM labels WHERE task_id = %(task)s AND is_right IS NOT NULL AND learnable;

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
        estimated_accuracy, realised_accuracy, closed, estimated_error, random_checked, random_right, both_wrong,
        mean_label_delay_s, slices, saved_at_us
    )
    SELECT
        %(task)s, %(window_id)s, coalesce((SELECT revision FROM latest), 0) + 1, %(start_us)s, %(end_us)s, %(rows)s,
        %(labelled)s, %(mean_doubt)s, %(mean_dissonance)s, %(share_over_target)s, %(estimated_accuracy)s,
        %(realised_accuracy)s, %(closed)s, %(estimated_error)s, %(random_checked)s, %(random_right)s, %(both_wrong)s,
        %(mean_label_delay_s)s, %(slices)s::jsonb, %(at_us)s
    WHERE NOT EXISTS (
        SELECT FROM latest
        WHERE (
            start_us, end_us, rows, labelled, mean_doubt, mean_dissonance, share_over_target, estimated_accuracy,
            realised_accuracy, closed, estimated_error, random_checked, random_right, both_wrong, mean_label_delay_s,
            slices
        ) IS NOT DISTINCT FROM (
            %(start_us)s::bigint, %(end_us)s::bigint, %(rows)s::bigint, %(labelled)s::bigint, %(mean_doubt)s::float8,
            %(mean_dissonance)s::float8, %(share_over_target)s::float8, %(estimated_accuracy)s::float8,
            %(realised_accuracy)s::float8, %(closed)s::boolean, %(estimated_error)s::float8,
            %(random_checked)s::bigint, %(random_right)s::bigint, %(both_wrong)s::bigint,
            %(mean_label_delay_s)s::float8, %(slices)s::jsonb
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
    estimated_accuracy, realised_accuracy, closed, estimated_error, random_checked, random_right, both_wrong,
    mean_label_delay_s, slices::text, (
        SELECT body::text FROM window_estimates e WHERE e.task_id = w.task_id AND e.window_id = w.window_id
    )
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
    estimated_accuracy, realised_accuracy, closed, estimated_error, random_checked, random_right, both_wrong,
    mean_label_delay_s, slices::text, (
        SELECT body::text FROM window_estimates e WHERE e.task_id = w.task_id AND e.window_id = w.window_id
    )
FROM windows w WHERE task_id = %(task)s AND window_id = %(window_id)s ORDER BY revision DESC LIMIT 1;

-- name: save_estimate
-- purpose: what is estimated of a window that is over; the first estimate stays
INSERT INTO window_estimates (task_id, window_id, body, saved_at_us)
VALUES (%(task)s, %(window_id)s, %(body)s::jsonb, %(at_us)s)
ON CONFLICT DO NOTHING
RETURNING window_id;

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

-- name: add_replayed
-- purpose: verdicts that came out otherwise in a replay, those that are not there yet
INSERT INTO replayed_verdicts (task_id, replay_id, prediction_id, event_time_us, recorded, replayed)
SELECT %(task)s, %(replay_id)s, prediction_id, event_time_us, recorded, replayed
FROM unnest(%(ids)s::uuid[], %(times_us)s::bigint[], %(recorded)s::text[], %(replayed)s::text[])
    AS given (prediction_id, event_time_us, recorded, replayed)
ON CONFLICT DO NOTHING;

-- name: save_replay
-- purpose: a replay whose verdicts are there
INSERT INTO replays (task_id, replay_id, body, made_at_us)
VALUES (%(task)s, %(replay_id)s, %(body)s::jsonb, %(at_us)s) ON CONFLICT DO NOTHING;

-- name: replays
-- purpose: the replays of a task, newest first
SELECT body::text FROM replays WHERE task_id = %(task)s ORDER BY made_at_us DESC, replay_id LIMIT %(limit)s;

-- name: replayed
-- purpose: verdicts of a replay, in order of their predictions
SELECT prediction_id, event_time_us, recorded, replayed FROM replayed_verdicts
WHERE task_id = %(task)s AND replay_id = %(replay_id)s AND prediction_id > %(after)s
ORDER BY prediction_id LIMIT %(limit)s;

-- name: drop_replayed
-- purpose: replayed verdicts of rows that retention dropped
DELETE FROM replayed_verdicts WHERE task_id = %(task)s AND prediction_id < %(below)s;

-- name: record_accesses
-- purpose: one link of the whole system's chain and the accesses it proves, once; says which link, or null without a chain
SELECT record_accesses(%(batch)s, %(evidence)s, %(rows)s::jsonb);

-- name: accesses
-- purpose: accesses that are looked for, the newest link first
SELECT link, position, who, source, permission, what, task, outcome, first_us, last_us, count, reason, status,
    request_id
FROM accesses
WHERE (%(who)s::text IS NULL OR who = %(who)s) AND (%(task)s::text IS NULL OR task = %(task)s)
    AND (%(source)s::text IS NULL OR source = %(source)s) AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
    AND (%(what)s::text IS NULL OR position(%(what)s::text IN lower(what)) > 0)
    AND last_us >= %(start_us)s AND last_us < %(end_us)s
ORDER BY link DESC, position LIMIT %(limit)s;

-- name: accesses_of
-- purpose: accesses as they are indexed under some links, in order
SELECT link, position, who, source, permission, what, task, outcome, first_us, last_us, count, reason, status,
    request_id
FROM accesses WHERE link BETWEEN %(first)s AND %(last)s ORDER BY link, position;

-- name: denied_since
-- purpose: how often who was denied from where, the most first
SELECT source, who, sum(count)::bigint AS denied
FROM accesses WHERE outcome = 'denied' AND last_us >= %(start_us)s
GROUP BY source, who ORDER BY denied DESC, source, who;

-- name: credential_changes
-- purpose: how often revocations or API keys were changed
SELECT changes FROM credential_changes;

-- name: revoke
-- purpose: keep a revocation; of several about the same the latest
WITH kept AS (
    INSERT INTO revocations AS r (what, value, revoked_at_us, revoked_by, reason)
    VALUES (%(what)s, %(value)s, %(revoked_at_us)s, %(by)s, %(reason)s)
    ON CONFLICT (what, value) DO UPDATE
    SET revoked_at_us = excluded.revoked_at_us, revoked_by = excluded.revoked_by, reason = excluded.reason
    WHERE r.revoked_at_us < excluded.revoked_at_us
)
UPDATE credential_changes SET changes = changes + 1 RETURNING changes;

-- name: revocations
-- purpose: those that something may still be under
SELECT what, value, revoked_at_us, revoked_by, reason FROM revocations
WHERE revoked_at_us >= %(since_us)s ORDER BY revoked_at_us DESC, what, value;

-- name: keep_api_key
-- purpose: keep a new API key, without its secret
WITH kept AS (
    INSERT INTO api_keys (key_id, name, digest, scope, tasks, created_at_us, expires_at_us, made_by)
    VALUES (%(key_id)s, %(name)s, %(digest)s, %(scope)s, %(tasks)s, %(created_at_us)s, %(expires_at_us)s, %(by)s)
)
UPDATE credential_changes SET changes = changes + 1 RETURNING changes;

-- name: api_keys
-- purpose: all that were made, the newest first
SELECT key_id, name, digest, scope, tasks, created_at_us, expires_at_us, made_by FROM api_keys
ORDER BY created_at_us DESC, key_id;

-- name: keep_oauth_client
-- purpose: keep a new client of the local issuer, without its secret
INSERT INTO oauth_clients (
    client_id, digest, grants, tasks, redirects, created_at_us, expires_at_us, made_by, public_key
)
VALUES (
    %(client_id)s, %(digest)s, %(grants)s, %(tasks)s, %(redirects)s, %(created_at_us)s, %(expires_at_us)s, %(by)s,
    %(public_key)s
);

-- name: oauth_client
-- purpose: one client
SELECT client_id, digest, grants, tasks, redirects, created_at_us, expires_at_us, made_by, public_key
FROM oauth_clients
WHERE client_id = %(client_id)s;

-- name: oauth_clients
-- purpose: all clients, the newest first
SELECT client_id, digest, grants, tasks, redirects, created_at_us, expires_at_us, made_by, public_key
FROM oauth_clients
ORDER BY created_at_us DESC, client_id;

-- name: remove_oauth_client
-- purpose: forget a client
DELETE FROM oauth_clients WHERE client_id = %(client_id)s;

-- name: use_assertion
-- purpose: remember what a client signed, once, and forget what is refused as too old anyway
WITH forgotten AS (
    DELETE FROM used_assertions WHERE forget_at_us < %(now_us)s
)
INSERT INTO used_assertions (digest, forget_at_us) VALUES (%(digest)s, %(forget_at_us)s)
ON CONFLICT (digest) DO NOTHING;

-- name: keep_person
-- purpose: keep somebody new who may log in
INSERT INTO people (name, password, grants, tasks, created_at_us, added_by)
VALUES (%(name)s, %(password)s, %(grants)s, %(tasks)s, %(created_at_us)s, %(by)s)
ON CONFLICT (name) DO NOTHING;

-- name: set_password
-- purpose: replace what was made of a password
UPDATE people SET password = %(password)s WHERE name = %(name)s;

-- name: person
-- purpose: one who may log in
SELECT name, password, grants, tasks, created_at_us, added_by FROM people WHERE name = %(name)s;

-- name: people
-- purpose: all who may log in
SELECT name, password, grants, tasks, created_at_us, added_by FROM people ORDER BY name;

-- name: remove_person
-- purpose: forget somebody, with their logins and the codes they are on the way with
DELETE FROM people WHERE name = %(name)s;

-- name: keep_login_code
-- purpose: keep a new code, and forget what cannot matter any more
WITH forgotten AS (
    DELETE FROM login_codes WHERE expires_at_us < %(forget_before_us)s
)
INSERT INTO login_codes (digest, client_id, redirect, challenge, name, scope, tasks, token_id, expires_at_us)
VALUES (
    %(digest)s, %(client_id)s, %(redirect)s, %(challenge)s, %(name)s, %(scope)s, %(tasks)s, %(token_id)s,
    %(expires_at_us)s
);

-- name: take_login_code
-- purpose: what a code stands for, and how often somebody came with it
UPDATE login_codes SET times = times + 1 WHERE digest = %(digest)s
RETURNING digest, client_id, redirect, challenge, name, scope, tasks, token_id, expires_at_us, times;

-- name: begin_login
-- purpose: keep a new login of somebody who is there, with its first refresh token, and forget those that are over
WITH forgotten AS (
    DELETE FROM logins WHERE ends_at_us < %(forget_before_us)s
), begun AS (
    INSERT INTO logins (login_id, client_id, name, scope, tasks, began_at_us, ends_at_us)
    SELECT
        %(login_id)s, %(client_id)s, name, %(scope)s::text[], %(tasks)s::text[], %(began_at_us)s::bigint,
        %(ends_at_us)s::bigint
    FROM people WHERE name = %(name)s
    RETURNING login_id
)
INSERT INTO refresh_tokens (digest, token_id, issued_at_us, expires_at_us, login_id)
SELECT %(digest)s::bytea, %(token_id)s, %(issued_at_us)s::bigint, %(expires_at_us)s::bigint, login_id FROM begun;

-- name: refresh_token
-- purpose: what a refresh token stands for, whether it was replaced, and whether somebody revoked what it is of
SELECT
    l.login_id, l.client_id, l.name, l.scope, l.tasks, l.began_at_us, l.ends_at_us,
    r.digest, r.token_id, r.issued_at_us, r.expires_at_us, r.used,
    EXISTS (SELECT FROM revocations AS v WHERE v.what = 'token' AND v.value = l.login_id)
    OR EXISTS (
        SELECT FROM refresh_tokens AS each JOIN revocations AS v ON v.what = 'token' AND v.value = each.token_id
        WHERE each.login_id = l.login_id
    )
    OR EXISTS (
        SELECT FROM revocations AS v
        WHERE v.what = 'holder' AND v.value = l.name AND v.revoked_at_us >= l.began_at_us - %(skew_us)s
    )
FROM refresh_tokens AS r JOIN logins AS l ON l.login_id = r.login_id
WHERE r.digest = %(digest)s;

-- name: replace_refresh_token
-- purpose: put another in the place of one that was not replaced yet
WITH replaced AS (
    UPDATE refresh_tokens SET used = true WHERE digest = %(replaced)s AND NOT used RETURNING login_id
)
INSERT INTO refresh_tokens (digest, token_id, issued_at_us, expires_at_us, login_id)
SELECT %(digest)s::bytea, %(token_id)s, %(issued_at_us)s::bigint, %(expires_at_us)s::bigint, login_id FROM replaced;

-- name: login_tokens
-- purpose: ids of the access tokens that a login got since a time
SELECT token_id FROM refresh_tokens WHERE login_id = %(login_id)s AND issued_at_us >= %(since_us)s
ORDER BY issued_at_us;

-- name: end_login
-- purpose: forget a login with its refresh tokens
DELETE FROM logins WHERE login_id = %(login_id)s;

-- name: end_logins_of
-- purpose: forget the logins of one person
DELETE FROM logins WHERE name = %(name)s;

-- name: predictions_about
-- purpose: ids of what is stored about one data subject, in order of event time
SELECT uuid_send(prediction_id) FROM experience
WHERE data_subject = %(data_subject)s AND task_id = %(task)s ORDER BY event_time_us, prediction_id;

-- name: reference_about
-- purpose: rows of the data file about one data subject
SELECT row_number, split, sealed FROM reference_rows
WHERE task_id = %(task)s AND data_subject = %(data_subject)s ORDER BY row_number;

-- name: requests_about
-- purpose: how many label requests are about one data subject
SELECT count(*) FROM label_requests WHERE task_id = %(task)s AND data_subject = %(data_subject)s;

-- name: keep_erasure
-- purpose: the certificate of an erasure; the first one stays
INSERT INTO erasures (task_id, data_subject, erased_at_us, certificate)
VALUES (%(task)s, %(data_subject)s, %(erased_at_us)s, %(certificate)s) ON CONFLICT DO NOTHING;

-- name: erasure
-- purpose: the certificate of one erasure
SELECT erased_at_us, certificate FROM erasures WHERE task_id = %(task)s AND data_subject = %(data_subject)s;

-- name: erased
-- purpose: every data subject that was erased, by this store's account
SELECT task_id, data_subject FROM erasures ORDER BY task_id, erased_at_us;
