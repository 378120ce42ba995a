"""Who may do what. Grammar of a permission: `<object>:<verb>`, lower case; of a grant: one word.

A token carries permissions (its `scope`, RFC 9068) and tasks; a route names exactly one permission.
"""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    PUBLIC = "public:read"  # liveness and readiness only: nothing about a task or a person
    PREDICT = "predictions:write"
    CONTRADICT = "contradictions:read"
    CHECK = "verdicts:read"
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
    MODELS = "models:read"
    REGISTRY = "registry:write"  # at MLflow itself, past the gate: for the system's own parts
    CYCLE = "cycles:write"
    CONFIGURATION = "configuration:read"
    METRICS = "metrics:read"


GRANTS: dict[str, frozenset[Permission]] = {
    "client": frozenset({Permission.PREDICT, Permission.CONTRADICT, Permission.CHECK}),
    "labeller": frozenset({Permission.LABEL, Permission.LABEL_REQUESTS, Permission.LABEL_STATUS}),
    "viewer": frozenset(
        {
            Permission.WINDOWS,
            Permission.MODELS,
            Permission.LABEL_STATUS,
            Permission.UPDATES,
            Permission.DECISIONS,
            Permission.POLICY,
            Permission.FINDINGS,
        }
    ),
    "operator": frozenset(
        {
            Permission.WINDOWS,
            Permission.MODELS,
            Permission.CONFIGURATION,
            Permission.METRICS,
            Permission.CHECK,
            Permission.LABEL_STATUS,
            Permission.UPDATES,
            Permission.DECISIONS,
            Permission.RETRAIN,
            Permission.POLICY,
            Permission.SET_POLICY,
            Permission.FINDINGS,
        }
    ),
    "registrar": frozenset({Permission.REGISTRY}),
    "admin": frozenset(permission for permission in Permission if permission is not Permission.PUBLIC),
}
"""Named sets of permissions (design section 2: a set of permissions is a grant)."""

ANY_TASK = "*"
