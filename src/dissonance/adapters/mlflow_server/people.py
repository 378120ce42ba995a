"""Who MLflow thinks its users are: holders of our tokens, known while they ask, stored nowhere (ADR 55).

It stands where MLflow's auth app has its table of users, roles and passwords: there is no such table, so there is no
administrator with a password, a default one least of all, and a right that a token lost is lost with it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection
from threading import Lock
from typing import Any, NoReturn

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.server.auth.entities import User

from dissonance.adapters.mlflow_server.files import NOBODY
from dissonance.adapters.mlflow_server.rights import EXPERIMENT, MODEL, Grant, Rights, model_names, rights_of
from dissonance.security.identity import Identity
from dissonance.security.verifier import CACHED

ID_BYTES = 6
"""Of the digest that a user's number is made of: a number that JavaScript keeps whole."""


class TokenHolders:
    """`experiments_of`: ids of the experiments of these tasks. Safe for many threads."""

    def __init__(self, experiments_of: Callable[[Collection[str]], list[str]]) -> None:
        self._experiments_of = experiments_of
        self._known: OrderedDict[str, tuple[int, Rights]] = OrderedDict()
        self._lock = Lock()

    def admit(self, identity: Identity) -> str:
        """The user name that stands for this holder with these rights; another token with other rights has another."""
        said = "\n".join((identity.name, *sorted(identity.permissions), "", *sorted(identity.tasks)))
        digest = hashlib.sha256(said.encode()).digest()
        username = f"{identity.name} ({digest[:ID_BYTES].hex()})"
        with self._lock:
            self._known[username] = (int.from_bytes(digest[:ID_BYTES], "big"), rights_of(identity))
            self._known.move_to_end(username)
            if len(self._known) > CACHED:
                self._known.popitem(last=False)
        return username

    def rights(self, username: str) -> Rights:
        return self._entry(username)[1]

    def get_user(self, username: str) -> User:
        number, rights = self._entry(username)
        return User(number, username, "", rights.is_admin)  # type: ignore[no-untyped-call]  # untyped in MLflow

    def list_grants(self, user_id: int, workspace: str, resource_types: Collection[str]) -> list[Grant]:
        """`workspace`: MLflow's, of which there is one."""
        with self._lock:
            rights = next((rights for number, rights in self._known.values() if number == user_id), None)
        if rights is None:
            return []
        level = rights.level.value
        if rights.everywhere:
            return [Grant(kind, "*", level) for kind in (EXPERIMENT, MODEL) if kind in resource_types]
        found = []
        if MODEL in resource_types:
            found += [Grant(MODEL, name, level) for name in model_names(rights.tasks)]
        if EXPERIMENT in resource_types:
            found += [Grant(EXPERIMENT, number, level) for number in self._experiments_of(rights.tasks)]
        return found

    def list_user_roles(self, user_id: int) -> list[Any]:
        return []

    def is_workspace_admin(self, user_id: int, workspace: str) -> bool:
        return False

    def init_db(self, *_: object, **__: object) -> None:
        """There is none."""

    def has_user(self, username: str, **_: object) -> bool:
        """Of the administrator at the start: nobody is made."""
        return username == NOBODY

    def authenticate_user(self, *_: object, **__: object) -> bool:
        """By password: never."""
        return False

    def grant_user_permission(self, *_: object) -> None:
        """To whoever made a thing: rights are those of the token."""

    def delete_grants_for_resource(self, *_: object, **__: object) -> None:
        """None are kept."""

    def rename_grants_for_resource(self, *_: object, **__: object) -> None:
        """None are kept."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise MlflowException(
            "users and roles are not kept in MLflow: make tokens, `dissonance token create`", PERMISSION_DENIED
        )

    def _entry(self, username: str) -> tuple[int, Rights]:
        with self._lock:
            entry = self._known.get(username)
        if entry is None:
            raise MlflowException("no token was shown for this user", PERMISSION_DENIED)
        return entry
