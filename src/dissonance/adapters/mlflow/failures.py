"""What MLflow answers when it does not do as asked, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from urllib3.exceptions import HTTPError

from dissonance.errors import EngineError, EngineUnavailable, ModelNotFound

MISSING = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
PASSING = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"})


class Refused(Exception):
    """`code`: MLflow's name of the error, or `HTTP <status>` where somebody between it and us answered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises `ModelNotFound`, `EngineUnavailable` (also while MLflow cannot reach its database) or `EngineError`."""
    try:
        yield
    except Refused as error:
        if error.code in MISSING:
            raise ModelNotFound(
                f"MLflow has no such thing ({doing})", where="registry", fix="list them: dissonance models list"
            ) from error
        if error.code in PASSING or error.code.startswith("HTTP 5"):
            raise _unavailable(doing, error) from error
        raise EngineError(
            f"MLflow refused ({doing}): {error.message}", where="registry", fix="see the log of MLflow"
        ) from error
    except (HTTPError, OSError) as error:
        raise _unavailable(doing, error) from error


def _unavailable(doing: str, error: Exception) -> EngineUnavailable:
    return EngineUnavailable(
        f"MLflow did not do its part ({doing}): {str(error)[:300]}", where="registry", fix="see `dissonance status`"
    )
