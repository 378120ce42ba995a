"""What the holder of one of our tokens may do at MLflow (ADR 55). Pure: permissions and addresses in, levels out."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from dissonance.ports.registry import ModelRole
from dissonance.security.grants import default_grants
from dissonance.security.identity import Identity
from dissonance.security.permissions import ANY_TASK, Permission


class Level(StrEnum):
    """MLflow's words, of those we use; the greater includes the less."""

    NONE = "NO_PERMISSIONS"
    READ = "READ"
    MANAGE = "MANAGE"


class Rights(NamedTuple):
    """`is_admin`: MLflow asks nothing more. `level`: at the models and experiments of `tasks` (names, or `*`)."""

    is_admin: bool
    level: Level
    tasks: frozenset[str]

    @property
    def everywhere(self) -> bool:
        return ANY_TASK in self.tasks


READS = frozenset({"GET", "HEAD"})
API = r"/(?:ajax-)?api/[0-9]+\.[0-9]+"
SEARCHES = re.compile(rf"{API}/mlflow/[a-z-]+/(?:search|search-datasets)|/graphql|{API}/mlflow/graphql")
"""What is read by POST."""

CREATES = re.compile(rf"{API}/mlflow/(?:experiments|registered-models)/create")
WRITES = re.compile(
    rf"{API}/(?:mlflow/(?:experiments|runs|registered-models|model-versions|logged-models)|mlflow-artifacts)/.+"
)
"""What models and their runs live in. The rest of MLflow (gateways, prompts, webhooks, jobs, users) is for admins."""


def rights_of(identity: Identity) -> Rights:
    """Every permission for every task makes an admin; `registry:write` writes, `models:read` reads."""
    held = identity.permissions
    everything = held >= default_grants()["admin"] and ANY_TASK in identity.tasks
    level = Level.MANAGE if Permission.REGISTRY in held else Level.READ if Permission.MODELS in held else Level.NONE
    return Rights(everything, level, identity.tasks)


def may_ask(rights: Rights, method: str, path: str) -> bool:
    """Whether a request may go on to MLflow's own check of what it is about.

    That check knows things that are there; what would be made new, and areas we do not use, are decided here.

    >>> viewer = Rights(False, Level.READ, frozenset({"census"}))
    >>> may_ask(viewer, "POST", "/api/2.0/mlflow/runs/search")
    True
    >>> may_ask(viewer, "DELETE", "/api/2.0/mlflow/model-versions/delete")
    False
    """
    if rights.is_admin:
        return True
    if rights.level is Level.NONE:
        return False
    if method in READS or (method == "POST" and SEARCHES.fullmatch(path)):
        return True
    if rights.level is not Level.MANAGE or not WRITES.fullmatch(path):
        return False
    return rights.everywhere or not CREATES.fullmatch(path)


class Grant(NamedTuple):
    """`pattern`: a name or id, or `*`. MLflow's `RoleGrantRow` in all but name."""

    resource_type: str
    resource_pattern: str
    permission: str


EXPERIMENT, MODEL = "experiment", "registered_model"


def model_names(tasks: Collection[str]) -> list[str]:
    """
    >>> model_names(["census"])
    ['census.critic', 'census.proposer']
    """
    return [f"{task}.{role.value}" for task in sorted(tasks) for role in sorted(ModelRole)]


def owner(experiment_name: str, task_id: str) -> str:
    """The task whose experiment this is; "" for one that is not of our making.

    >>> owner("census-0123abcd", "0123abcd" + "0" * 24)
    'census'
    """
    suffix = f"-{task_id[:8]}"
    return experiment_name.removesuffix(suffix) if task_id and experiment_name.endswith(suffix) else ""
