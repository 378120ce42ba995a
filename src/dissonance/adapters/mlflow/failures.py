"""What MLflow's client raises, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException, RestException

from dissonance.errors import EngineError, EngineUnavailable, ModelNotFound

MISSING = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
PASSING = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED"})


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises `ModelNotFound`, `EngineUnavailable` (also while MLflow cannot reach its database) or `EngineError`.

    An `OSError` here is one of the HTTP client's: `requests.RequestException` descends from it.
    """
    try:
        yield
    except RestException as error:
        if error.error_code in MISSING:
            raise ModelNotFound(
                f"MLflow has no such thing ({doing})", where="registry", fix="list them: dissonance models list"
            ) from error
        if error.error_code in PASSING:
            raise _unavailable(doing, error) from error
        raise EngineError(
            f"MLflow refused ({doing}): {error.message}", where="registry", fix="see the log of MLflow"
        ) from error
    except (MlflowException, OSError) as error:
        raise _unavailable(doing, error) from error


def _unavailable(doing: str, error: Exception) -> EngineUnavailable:
    return EngineUnavailable(
        f"MLflow did not do its part ({doing}): {str(error)[:300]}", where="registry", fix="see `dissonance status`"
    )
