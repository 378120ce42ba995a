"""Who may do what. Grammar of a permission: `<object>:<verb>`, lower case, the verb `read` or `write`.

A token carries permissions (its `scope`, RFC 9068) and tasks. Every HTTP route, gRPC method and command names exactly
one permission; sets of them are grants (`security.grants`, ADR 53).
"""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    PUBLIC = "public:read"  # liveness, readiness, and logging in: nothing about a task or a person
    PREDICT = "predictions:write"
    CONTRADICT = "contradictions:read"
    CHECK = "verdicts:read"
    SCORE = "scorings:write"  # a file of rows, not recorded as experience
    LABEL = "labels:write"
    LABEL_REQUESTS = "label_requests:write"  # shows rows of people to whoever labels them
    LABEL_STATUS = "label_requests:read"
    WINDOWS = "windows:read"
    RETRAIN = "updates:write"
    UPDATES = "updates:read"
    DECISIONS = "decisions:read"
    POLICY = "policies:read"
    SET_POLICY = "policies:write"
    FINDINGS = "findings:read"
    SYSTEM_FINDINGS = "system_findings:read"
    MODELS = "models:read"
    REGISTRY = "registry:write"  # at MLflow itself, past the gate: for the system's own parts
    MOVE_MODELS = "models:write"  # promote, override, take back
    REGISTER_MODEL = "candidates:write"
    EXPORT_MODEL = "artefacts:read"  # leaf values and categories tell of people
    ANSWERS = "answers:read"  # which model answered what, and from which rows it came
    REPLAYS = "replays:read"
    REPLAY = "replays:write"
    PIPELINE = "pipelines:write"
    TASKS = "tasks:read"
    SET_TASKS = "tasks:write"
    CYCLE = "cycles:write"
    CONFIGURATION = "configuration:read"
    METRICS = "metrics:read"
    AUDIT_LOG = "audit_log:read"
    DEAD_LETTERS = "dead_letters:read"
    SET_DEAD_LETTERS = "dead_letters:write"
    TOKENS = "tokens:write"
    KEYS = "keys:read"  # which there are, never the keys themselves
    SET_KEYS = "keys:write"  # rotate, revoke and destroy them
    DATA_SUBJECTS = "data_subjects:read"  # all that is known of a person
    ERASE = "data_subjects:write"
    ENGINES = "engines:read"
    SET_ENGINES = "engines:write"  # start and stop them
    RUN_ROLES = "roles:write"
    RECORDS = "records:read"  # of measurements
    DRILL = "drills:write"


ANY_TASK = "*"

OF_THE_SYSTEM = frozenset(
    {
        Permission.SYSTEM_FINDINGS,
        Permission.CONFIGURATION,
        Permission.METRICS,
        Permission.AUDIT_LOG,
        Permission.DEAD_LETTERS,
        Permission.SET_DEAD_LETTERS,
        Permission.TOKENS,
        Permission.KEYS,
        Permission.SET_KEYS,
        Permission.ENGINES,
        Permission.SET_ENGINES,
        Permission.RUN_ROLES,
        Permission.RECORDS,
        Permission.DRILL,
    }
)
"""About all tasks at once: a token for some of them does not reach so far, whatever its grants say."""
