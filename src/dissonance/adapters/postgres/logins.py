"""Clients and people of the local issuer."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from dissonance.adapters.postgres.part import StorePart
from dissonance.ports.logins import TakenCode
from dissonance.security.client_assertions import Assertion
from dissonance.security.identity import MICROSECONDS, SKEW_S
from dissonance.security.oauth_clients import OAuthClient
from dissonance.security.people import LoginCode, Person
from dissonance.security.refresh_tokens import KnownRefresh, PersonLogin, RefreshToken

Row = TypeVar("Row", bound=msgspec.Struct)
LOGIN_COLUMNS = len(PersonLogin.__struct_fields__)


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

    async def use_assertion(self, assertion: Assertion, now_us: int) -> bool:
        used = {"digest": assertion.digest, "forget_at_us": assertion.forget_at_us, "now_us": now_us}
        return await self._database.execute("use_assertion", used) > 0

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

    async def begin_login(self, login: PersonLogin, first: RefreshToken, forget_before_us: int) -> bool:
        kept = {**_parameters(login), **_parameters(first), "forget_before_us": forget_before_us}
        return await self._database.execute("begin_login", kept) > 0

    async def refresh_token(self, digest: bytes) -> KnownRefresh | None:
        rows = await self._database.rows("refresh_token", {"digest": digest, "skew_us": SKEW_S * MICROSECONDS})
        if not rows:
            return None
        of_login, (*of_token, used, revoked) = rows[0][:LOGIN_COLUMNS], rows[0][LOGIN_COLUMNS:]
        return KnownRefresh(_read(PersonLogin, of_login), _read(RefreshToken, tuple(of_token)), used, revoked)

    async def replace_refresh_token(self, digest: bytes, by: RefreshToken) -> bool:
        return await self._database.execute("replace_refresh_token", {**_parameters(by), "replaced": digest}) > 0

    async def login_tokens(self, login_id: str, since_us: int) -> list[str]:
        rows = await self._database.rows("login_tokens", {"login_id": login_id, "since_us": since_us})
        return [token_id for (token_id,) in rows]

    async def end_login(self, login_id: str) -> None:
        await self._database.execute("end_login", {"login_id": login_id})

    async def end_logins_of(self, name: str) -> None:
        await self._database.execute("end_logins_of", {"name": name})


def _parameters(struct: msgspec.Struct) -> dict[str, Any]:
    """Arrays of PostgreSQL are lists here."""
    members = msgspec.structs.asdict(struct)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in members.items()}


def _read(kind: type[Row], row: tuple[Any, ...]) -> Row:
    values = (tuple(value) if isinstance(value, list) else value for value in row)
    return kind(**dict(zip(kind.__struct_fields__, values, strict=True)))
