"""Which key-encryption keys of a copied keys database open with a key folder: tried with all that is in the folder."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.adapters.keys.folder import KeyFolder, secret
from dissonance.adapters.keys.parts import FOLDER
from dissonance.adapters.keys.versions import RestingKey
from dissonance.adapters.postgres.database import Database
from dissonance.errors import SealBroken
from dissonance.security.wrapping import KeyWrap, with_part


async def read_versions(database_url: str) -> list[RestingKey]:
    """Those that are neither revoked nor destroyed."""
    database = Database(database_url, queries="keys.sql", connections=1)
    try:
        return [RestingKey(*row) for row in await database.rows("usable_key_encryption_keys", {})]
    finally:
        await database.close()


def that_open(folder: KeyFolder, versions: Sequence[RestingKey]) -> int:
    """Under the root key alone, and with every part that is there, whichever version it was made for."""
    root, files = folder.key_encryption_key, sorted((folder.folder / FOLDER).iterdir())
    parts = [secret(folder.folder, f"{FOLDER}/{file.name}", root) for file in files]
    ids = [bytes.fromhex(file.name) for file in files]
    return sum(
        any(_opens(each, under) for under in (KeyWrap(root), *_under(root, each, ids, parts))) for each in versions
    )


def _under(root: bytes, version: RestingKey, ids: Sequence[bytes], parts: Sequence[bytes]) -> list[KeyWrap]:
    named = [] if version.part_id is None else [version.part_id]
    return [with_part(root, part_id, part) for part_id in (*ids, *named) for part in parts]


def _opens(version: RestingKey, under: KeyWrap) -> bool:
    try:
        under.open_version(version.version, version.sealed)
    except SealBroken:
        return False
    return True
