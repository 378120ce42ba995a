"""The experience store on PostgreSQL: all parts on one pool of connections."""

from __future__ import annotations

from dissonance.adapters.postgres.accesses import PostgresAccesses
from dissonance.adapters.postgres.credentials import PostgresCredentials
from dissonance.adapters.postgres.database import Database
from dissonance.adapters.postgres.decisions import PostgresDecisions
from dissonance.adapters.postgres.erasures import PostgresErasures
from dissonance.adapters.postgres.experience import PostgresExperience
from dissonance.adapters.postgres.findings import PostgresFindings
from dissonance.adapters.postgres.idempotency import PostgresIdempotency
from dissonance.adapters.postgres.labels import PostgresLabels
from dissonance.adapters.postgres.logins import PostgresLogins
from dissonance.adapters.postgres.migrate import Schema
from dissonance.adapters.postgres.reference import PostgresReference
from dissonance.adapters.postgres.replays import PostgresReplays
from dissonance.adapters.postgres.rollouts import PostgresRollouts
from dissonance.adapters.postgres.sealed_texts import SealedTexts
from dissonance.adapters.postgres.tasks import PostgresTasks
from dissonance.adapters.postgres.verdicts import PostgresVerdicts
from dissonance.adapters.postgres.version import require_version
from dissonance.adapters.postgres.windows import PostgresWindows
from dissonance.ports.breaker import Breaker
from dissonance.ports.clock import Clock
from dissonance.security.text_seal import TextSeal


class PostgresStore(
    PostgresTasks,
    PostgresReference,
    PostgresVerdicts,
    PostgresExperience,
    PostgresLabels,
    PostgresRollouts,
    PostgresDecisions,
    PostgresAccesses,
    PostgresFindings,
    PostgresErasures,
    PostgresReplays,
    PostgresWindows,
    PostgresIdempotency,
    PostgresCredentials,
    PostgresLogins,
):
    """`ports.store.Store`. Connects at first use; call `migrate.migrate` on the database before.

    `texts`: under which rests what people wrote, and what tells of values (`sealed_texts`).
    `connections`: at most so many at once. While PostgreSQL is away every method raises `EngineUnavailable` within
    seconds; when it is back they work again, in this same object.
    """

    def __init__(
        self,
        database_url: str,
        *,
        clock: Clock,
        texts: TextSeal,
        connections: int = 8,
        breaker: Breaker | None = None,
    ) -> None:
        database = Database(
            database_url, queries="queries.sql", connections=connections, breaker=breaker, texts=SealedTexts(texts)
        )
        super().__init__(database, clock)

    async def database_time_us(self) -> int:
        return int((await self._database.rows("database_time", {}))[0][0])

    async def texts_in_plain(self) -> list[str]:
        return [str(place) for (place,) in await self._database.rows("texts_in_plain", {})]

    async def ready(self) -> None:
        """Raises `EngineUnavailable` unless it answers at this release's version, `EngineError` when it is newer."""
        await require_version(self._database, Schema.EXPERIENCE)

    async def close(self) -> None:
        await self._database.close()
