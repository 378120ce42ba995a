"""Two rotations at once, the first of which stood still between reading keys and wrapping them: no key is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Thread

import pytest

from dissonance.adapters.memory.clock import SeededRandomness
from dissonance.ports.key_versions import KeyState
from dissonance.security.envelope import NONCE_BYTES
from support.keys import PostgresKeysCase, postgres_keys_case, quiet

SUBJECTS = [bytes([number]) * 16 for number in range(4)]


class StandingStill(SeededRandomness):
    """Runs `meanwhile` to its end, once, when the next key is about to be wrapped anew."""

    meanwhile: Callable[[], None] | None = None

    def token(self, size: int) -> bytes:
        if self.meanwhile is not None and size == NONCE_BYTES:
            happening, self.meanwhile = Thread(target=self.meanwhile), None
            happening.start()
            happening.join()
        return super().token(size)


case = pytest.fixture(postgres_keys_case)


@pytest.mark.parametrize("spare", [False, True])
def test_version_that_another_rotation_left_and_that_was_destroyed_takes_no_keys(
    case: PostgresKeysCase, spare: bool
) -> None:
    other, standing = PostgresKeysCase(2, case.url), StandingStill(3)
    case.randomness = standing

    async def left_and_destroyed() -> None:
        keys = other.keys()
        try:
            await keys.versions.rotate()  # and cut short before it wrapped anything
            await keys.versions.destroy(2)
        finally:
            await keys.close()

    async def story() -> None:
        keys, reader = case.keys(), other.keys()
        try:
            made = await keys.reserve(4) if spare else await keys.obtain(case.task_id, SUBJECTS)
            await keys.versions.rotate()
            standing.meanwhile = lambda: asyncio.run(left_and_destroyed())
            assert await keys.versions.rewrap(quiet) == len(made)
            of_each = [(each.state, each.data_keys + each.spare_keys) for each in await keys.versions.all()]
            assert of_each == [(KeyState.RETIRED, 0), (KeyState.DESTROYED, 0), (KeyState.ACTIVE, len(made))]
            if spare:
                assert await keys.adopt(case.task_id, dict(zip(made, SUBJECTS, strict=True))) == made
            else:
                assert await reader.find(case.task_id, SUBJECTS) == made
        finally:
            await keys.close()
            await reader.close()

    asyncio.run(story())
