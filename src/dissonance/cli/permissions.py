"""Which one permission each command needs, and which of its parameters name the task and the data folder (ADR 53).

A command that is not here is refused.
"""

from __future__ import annotations

from typing import NamedTuple

from dissonance.security.permissions import Permission


class Right(NamedTuple):
    """`task`, `folder`: parameters of the command; None where it has none, and so is about every task. `own`: it is
    about the login of who runs it, which is not asked for its rights."""

    permission: Permission
    task: str | None = None
    folder: str | None = "data"
    own: bool = False


def _of_task(permission: Permission) -> Right:
    return Right(permission, "task")


_DEAD_LETTERS = {
    "list": Right(Permission.DEAD_LETTERS),
    "show": Right(Permission.DEAD_LETTERS),
    "replay": Right(Permission.SET_DEAD_LETTERS),
    "drop": Right(Permission.SET_DEAD_LETTERS),
}
_DRILLS = (
    "nothing-lost",
    "bench-cycle",
    "bench-soak",
    "startup",
    "rollback",
    "keys",
    "deploy",
    "who-answered",
    "revocation",
    "bench-pipeline",
    "faults",
    "encryption",
    "pentest",
)

COMMANDS: dict[str, Right] = {
    "demo": Right(Permission.DRILL, folder=None),
    "up": Right(Permission.SET_ENGINES),
    "status": Right(Permission.ENGINES),
    "down": Right(Permission.SET_ENGINES),
    "run": Right(Permission.RUN_ROLES),
    "task create": Right(Permission.SET_TASKS, "name", "folder"),
    "task list": Right(Permission.TASKS),
    "task show": Right(Permission.TASKS, "name"),
    "task golden": Right(Permission.SET_TASKS, "name", "folder"),
    "task delete": Right(Permission.SET_TASKS, "name"),
    "models history": _of_task(Permission.MODELS),
    "models diff": _of_task(Permission.MODELS),
    "models at": _of_task(Permission.MODELS),
    "models who-answered": _of_task(Permission.ANSWERS),
    "models register": _of_task(Permission.REGISTER_MODEL),
    "models export": _of_task(Permission.EXPORT_MODEL),
    "models retrain": _of_task(Permission.RETRAIN),
    "models promote": _of_task(Permission.MOVE_MODELS),
    "models rollback": _of_task(Permission.MOVE_MODELS),
    "models list": _of_task(Permission.MODELS),
    "models updates": _of_task(Permission.UPDATES),
    "decisions list": _of_task(Permission.DECISIONS),
    "decisions show": _of_task(Permission.DECISIONS),
    "decisions verify": _of_task(Permission.DECISIONS),
    "decisions replay": _of_task(Permission.DECISIONS),
    "pipeline run": _of_task(Permission.PIPELINE),
    "pipeline ui": Right(Permission.PIPELINE),
    "pipeline lineage": _of_task(Permission.ANSWERS),
    "score": _of_task(Permission.SCORE),
    "labels ask": _of_task(Permission.RETRAIN),
    "labels import": _of_task(Permission.LABEL),
    "labels export": _of_task(Permission.LABEL_REQUESTS),
    "labels status": _of_task(Permission.LABEL_STATUS),
    "policy get": _of_task(Permission.POLICY),
    "policy set": _of_task(Permission.SET_POLICY),
    "policy history": _of_task(Permission.POLICY),
    "policy diff": _of_task(Permission.POLICY),
    "audit": Right(Permission.SYSTEM_FINDINGS),
    "audit-log list": Right(Permission.AUDIT_LOG),
    "audit-log verify": Right(Permission.AUDIT_LOG),
    "audit-log export": Right(Permission.AUDIT_LOG),
    "replay": _of_task(Permission.REPLAY),
    "replays": _of_task(Permission.REPLAYS),
    "login": Right(Permission.ENGINES, own=True),
    "logout": Right(Permission.ENGINES, own=True),
    "token create": Right(Permission.TOKENS),
    "token revoke": Right(Permission.TOKENS),
    "token list": Right(Permission.TOKENS),
    **{f"token key {verb}": Right(Permission.TOKENS) for verb in ("create", "list", "revoke")},
    **{f"token client {verb}": Right(Permission.TOKENS) for verb in ("create", "list", "remove")},
    **{f"user {verb}": Right(Permission.TOKENS) for verb in ("add", "password", "list", "remove")},
    "token grants": Right(Permission.ENGINES),
    "keys list": Right(Permission.KEYS),
    **{f"keys {verb}": Right(Permission.SET_KEYS) for verb in ("rotate", "revoke", "destroy", "sweep", "protect")},
    "subjects show": _of_task(Permission.DATA_SUBJECTS),
    "subjects export": _of_task(Permission.DATA_SUBJECTS),
    "subjects erase": _of_task(Permission.ERASE),
    "bus permissions": Right(Permission.ENGINES, folder=None),
    "database rights": Right(Permission.ENGINES, folder=None),
    "database seal": Right(Permission.SET_KEYS),
    **{f"{group} {verb}": right for group in ("dead-letters", "deadletters") for verb, right in _DEAD_LETTERS.items()},
    "kpis": Right(Permission.RECORDS, folder=None),
    **{f"drill {name}": Right(Permission.DRILL, folder=None) for name in _DRILLS},
}
