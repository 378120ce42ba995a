"""What Arrow says of a file that it cannot read, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from dissonance.errors import InvalidDataFile, StorageError


@contextmanager
def reading(path: str, kind: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, UnicodeDecodeError) as error:
        raise InvalidDataFile(f"the content is not {kind}: {error}", where=path, fix="write the file again") from error
    except pa.ArrowMemoryError as error:
        raise InvalidDataFile(
            f"the content asks for more memory than there is: {error}",
            where=path,
            fix="see who made it; if it is honest, write it in smaller pieces",
        ) from error
    except OSError as error:
        raise StorageError(
            f"the file cannot be read on: {error}", where=path, fix="if it is whole, run the same command again"
        ) from error
