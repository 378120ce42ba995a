"""Tasks and the versions of their policies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import psycopg

from dissonance.adapters.postgres.part import NO_TASK, StorePart, task_key, unknown_task
from dissonance.contracts.events import WHOLE_SYSTEM
from dissonance.contracts.policy import Policy
from dissonance.contracts.schema import Task
from dissonance.errors import PolicyInvalid, RecordBroken, TaskExists, UnknownTask, WrongType
from dissonance.ports.store import PolicyRecord

CHAIN_START = bytes(32)
"""What the first link of a hash chain follows."""


class PostgresTasks(StorePart):
    """`ports.store.TaskStore`."""

    @asynccontextmanager
    async def claim(self, name: str) -> AsyncIterator[None]:
        async with self._database.connection("claim_name", limited=False) as connection:
            ((claimed,),) = await self._database.rows_on(connection, "claim_name", {"name": name})
            if not claimed:
                raise TaskExists(
                    f"a task named '{name}' is being made", where="task.name", fix="wait, or choose another name"
                )
            try:
                yield
            finally:
                with suppress(psycopg.Error):  # the connection is gone, and the claim with it
                    await self._database.rows_on(connection, "release_name", {"name": name})

    async def create(self, task: Task, policy: Policy) -> None:
        task_id = task_key(task.task_id)
        if task_id in (NO_TASK, task_key(WHOLE_SYSTEM)):
            raise WrongType(f"'{task.task_id}' is no task id", where="task.task_id", fix="give 32 hex digits")
        async with self._database.connection("insert_task") as connection, connection.transaction():
            inserted = await self._database.execute_on(
                connection,
                "insert_task",
                {
                    "task": task_id,
                    "name": task.name,
                    "created_at_us": task.created_at_us,
                    "body": msgspec.json.encode(task).decode(),
                },
            )
            if not inserted:
                raise TaskExists(
                    f"a task is named '{task.name}' or has its id", where="task.name", fix="choose another name"
                )
            await self._database.execute_on(connection, "insert_chain_head", {"task": task_id, "digest": CHAIN_START})
            await self._database.execute_on(
                connection, "insert_first_policy", self._policy_row(task.task_id, policy, "task created", "task create")
            )

    async def by_name(self, name: str) -> Task:
        # PostgreSQL takes no zero character in a text, so no task has one in its name.
        rows = [] if "\0" in name else await self._database.rows("task_by_name", {"name": name})
        if not rows:
            raise UnknownTask(
                f"no task is named '{name}'", where="task", fix="list them: dissonance task list", name=name
            )
        return _task(rows[0][0])

    async def by_id(self, task_id: str) -> Task:
        rows = await self._database.rows("task_by_id", {"task": task_key(task_id)})
        if not rows:
            raise unknown_task(task_id)
        return _task(rows[0][0])

    async def all(self) -> list[Task]:
        return [_task(body) for (body,) in await self._database.rows("all_tasks", {})]

    async def delete(self, task_id: str) -> None:
        """In one transaction; a task that is not there is deleted already."""
        if task_id == WHOLE_SYSTEM:  # it is no task, and has a chain and findings all the same
            return
        task = {"task": task_key(task_id)}
        long = self._database.connection("delete_task", limited=False)
        async with long as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            for query in (
                "delete_chain_head",  # first: it waits for writers, and later ones find no chain to add to
                "delete_task",
                "delete_chain_links",
                "delete_experience",
                "delete_labels",
                "delete_verdicts",
                "delete_idempotency",
                "delete_findings",
            ):
                await self._database.execute_on(connection, query, task)

    async def policy(self, task_id: str) -> Policy:
        rows = await self._database.rows("policy_in_force", {"task": task_key(task_id)})
        if not rows:
            raise unknown_task(task_id)
        return _policy(task_id, rows[0][0])

    async def policy_history(self, task_id: str, limit: int = 1000) -> list[PolicyRecord]:
        rows = await self._database.rows("policy_history", {"task": task_key(task_id), "limit": limit})
        if not rows:
            raise unknown_task(task_id)
        return [PolicyRecord(_policy(task_id, body), *who_and_when) for body, *who_and_when in rows]

    async def set_policy(self, task_id: str, policy: Policy, *, reason: str, by: str) -> None:
        in_force = (await self.policy(task_id)).version
        inserted = await self._database.execute("insert_policy", self._policy_row(task_id, policy, reason, by))
        if not inserted:
            raise PolicyInvalid(
                f"version {policy.version} does not follow version {in_force}, which is in force",
                where="policy.version",
                fix="read the policy in force, change it, and count its version up by 1",
            )

    def _policy_row(self, task_id: str, policy: Policy, reason: str, by: str) -> dict[str, object]:
        return {
            "task": task_key(task_id),
            "version": policy.version,
            "body": msgspec.json.encode(policy).decode(),
            "reason": reason,
            "by": by,
            "at_us": self._clock.now_us(),
        }


def _task(body: str) -> Task:
    try:
        return msgspec.json.decode(body, type=Task)
    except msgspec.MsgspecError as error:
        raise RecordBroken(
            f"a task cannot be read: {error}", where="table tasks", fix="restore the database from its backup"
        ) from error


def _policy(task_id: str, body: str) -> Policy:
    try:
        return msgspec.json.decode(body, type=Policy)
    except (msgspec.MsgspecError, PolicyInvalid) as error:
        raise RecordBroken(
            f"the policy of task {task_id} cannot be read: {error}",
            where="table policies",
            fix="restore the database from its backup",
        ) from error
