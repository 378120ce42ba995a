"""Clients and people of the local issuer."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from dissonance.adapters.postgres.part import StorePart
from dissonance.ports.logins import TakenCode
from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import LoginCode, Person

Row = TypeVar("Row", bound=msgspec.Struct)


class PostgresLogins(StorePart):
    """`ports.logins.LoginStore`. Columns are in the order of the structs' members."""

    async def keep_oauth_client(self, client: OAuthClient) -> None:
        await self._database.execute("keep_oauth_client", _parameters(client))

    async def oauth_client(self, client_id: str) -> OAuthClient | None:
        rows = await self._database.rows("oauth_client", {"client_id": client_id})
        return _read(OAuthClient, rows[0]) if rows else None

    async def oauth_clients(self) -> list[OAuthClient]:
        return [_read(OAuthClient, row) for row in await self._database.rows("oauth_clients", {})]

    async def remove_oauth_client(self, client_id: str) -> bool:
        return await self._database.execute("remove_oauth_client", {"client_id": client_id}) > 0

    async def keep_person(self, person: Person) -> bool:
        return await self._database.execute("keep_person", _parameters(person)) > 0

    async def set_password(self, name: str, password: str) -> bool:
        return await self._database.execute("set_password", {"name": name, "password": password}) > 0

    async def person(self, name: str) -> Person | None:
        rows = await self._database.rows("person", {"name": name})
        return _read(Person, rows[0]) if rows else None

    async def people(self) -> list[Person]:
        return [_read(Person, row) for row in await self._database.rows("people", {})]

    async def remove_person(self, name: str) -> bool:
        return await self._database.execute("remove_person", {"name": name}) > 0

    async def keep_login_code(self, code: LoginCode, forget_before_us: int) -> None:
        await self._database.execute("keep_login_code", {**_parameters(code), "forget_before_us": forget_before_us})

    async def take_login_code(self, digest: bytes) -> TakenCode | None:
        rows = await self._database.rows("take_login_code", {"digest": digest})
        return TakenCode(_read(LoginCode, rows[0][:-1]), int(rows[0][-1])) if rows else None


def _parameters(struct: msgspec.Struct) -> dict[str, Any]:
    """Arrays of PostgreSQL are lists here."""
    members = msgspec.structs.asdict(struct)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in members.items()}


def _read(kind: type[Row], row: tuple[Any, ...]) -> Row:
    values = (tuple(value) if isinstance(value, list) else value for value in row)
    return kind(**dict(zip(kind.__struct_fields__, values, strict=True)))
