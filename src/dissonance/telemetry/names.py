"""Every name of a metric and of a log action, in one place (design section 3).

Grammar of a metric: `dissonance_<object>_<what>[_<unit>][_total]`, lower case, words joined by `_`, SI units in full
(Prometheus, "Metric and label naming"); `_total` ends counters only.
Grammar of a log action: `<object>.<past participle>`, lower case, words joined by `_`.
"""

from __future__ import annotations

from enum import StrEnum


class MetricName(StrEnum):
    HTTP_REQUESTS = "dissonance_http_requests_total"
    HTTP_DURATION = "dissonance_http_request_duration_seconds"
    GRPC_REQUESTS = "dissonance_grpc_requests_total"
    GRPC_DURATION = "dissonance_grpc_request_duration_seconds"
    ROWS_PREDICTED = "dissonance_rows_predicted_total"
    EVENTS_HANDLED = "dissonance_events_handled_total"
    HANDLE_SECONDS = "dissonance_handle_seconds_total"
    PUBLISH_SECONDS = "dissonance_publish_seconds_total"
    HANDLER_ERRORS = "dissonance_handler_errors_total"
    DEAD_LETTERS = "dissonance_dead_letters_total"
    LAG = "dissonance_lag_messages"
    BATCH_SIZE = "dissonance_batch_size_rows"
    OLDEST_AGE = "dissonance_oldest_message_age_seconds"
    SPARE_KEYS = "dissonance_spare_keys"
    SPARE_KEYS_USED = "dissonance_spare_keys_used_total"
    SPOOL_BYTES = "dissonance_spool_bytes"
    SPOOLED_EVENTS = "dissonance_spooled_events_total"
    BREAKER_OPEN = "dissonance_breaker_open"
    BREAKER_OPENED = "dissonance_breaker_opened"
    UNEXPECTED_ERRORS = "dissonance_unexpected_errors_total"


class LogAction(StrEnum):
    """What happened. `LIBRARY_REPORTED` marks lines that a library wrote through the standard `logging`."""

    HTTP_ANSWERED = "http.answered"
    HTTP_FAILED = "http.failed"
    HTTP_STARTED = "http.started"
    HTTP_STOPPED = "http.stopped"
    GRPC_FAILED = "grpc.failed"
    GRPC_STARTED = "grpc.started"
    GRPC_STOPPED = "grpc.stopped"
    READINESS_FAILED = "readiness.failed"
    ROLE_STARTED = "role.started"
    ROLE_STOPPED = "role.stopped"
    ROLE_FAILED = "role.failed"
    EVENT_FAILED = "event.failed"
    EVENT_DEAD_LETTERED = "event.dead_lettered"
    ENGINE_STARTED = "engine.started"
    ENGINE_STOPPED = "engine.stopped"
    ENGINE_DIED = "engine.died"
    ENGINE_UNREACHABLE = "engine.unreachable"
    ENGINE_REACHED = "engine.reached"
    ENGINE_REFUSED = "engine.refused"
    EVENTS_SPOOLED = "events.spooled"
    SPOOL_DRAINED = "spool.drained"
    SPOOL_DAMAGED = "spool.damaged"
    CALL_REPEATED = "call.repeated"
    MODEL_LOADED = "model.loaded"
    MODEL_REFUSED = "model.refused"
    MODEL_PROMOTED = "model.promoted"
    INCIDENT_RAISED = "incident.raised"
    ROLLOUT_NOT_LOOKED_AT = "rollout.not_looked_at"
    MODEL_ROLLED_BACK = "model.rolled_back"
    TASK_CREATED = "task.created"
    TASK_DELETED = "task.deleted"
    WINDOW_EVALUATED = "window.evaluated"
    HARM_ESTIMATED = "harm.estimated"
    RETRAIN_REQUESTED = "retrain.requested"
    RETRAIN_PASSED_OVER = "retrain.passed_over"
    CANDIDATE_REGISTERED = "candidate.registered"
    PIPELINE_STEP = "pipeline.step"
    UPDATE_JUDGED = "update.judged"
    ROLLOUT_PASSED_OVER = "rollout.passed_over"
    ROLLOUT_CHANGED = "rollout.changed"
    CHAIN_ANCHORED = "chain.anchored"
    CHAIN_CONTRADICTED = "chain.contradicted"
    ANCHOR_FAILED = "anchor.failed"
    POLICY_CHANGED = "policy.changed"
    LABELS_ASKED = "labels.asked"
    FINDING_RAISED = "finding.raised"
    FINDING_RESOLVED = "finding.resolved"
    RETENTION_APPLIED = "retention.applied"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - a name, not a secret
    LIBRARY_REPORTED = "library.reported"
