"""Whether the broker's files are encrypted as they lie on the disk: a configuration says only what was wanted.

Of an encrypted stream nats-server keeps the stream's own key, sealed, in `meta.key`; its description `meta.inf` is no
JSON then (seen with nats-server 2.15).
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from dissonance.contracts.counts import counted
from dissonance.errors import EngineError

STREAMS = "jetstream/*/streams/*/meta.inf"


def plain_streams(nats_folder: Path) -> list[str]:
    """Names of the streams under the broker's folder that anybody could read who has its files."""
    found = []
    for description in sorted(nats_folder.glob(STREAMS)):
        with suppress(FileNotFoundError):  # removed meanwhile
            sealed = description.with_name("meta.key").is_file()
            if not sealed or _is_json(description.read_bytes()):
                found.append(description.parent.name)
    return found


def _is_json(content: bytes) -> bool:
    """All of it: of what is encrypted, one in 256 begins as JSON does."""
    try:
        msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def refuse_plain_streams(nats_folder: Path) -> None:
    """Raises `EngineError`."""
    if found := plain_streams(nats_folder):
        raise EngineError(
            f"{counted(len(found), 'stream is', 'streams are')} not encrypted on the disk ({', '.join(found[:5])})",
            where=str(nats_folder),
            fix="they were written by a broker without the cipher: move them away, and publish what they hold again",
        )
