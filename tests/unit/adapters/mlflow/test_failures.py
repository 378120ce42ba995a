"""What MLflow's client raises arrives as one of our errors, with its cause."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException, RestException

from dissonance.adapters.mlflow.failures import translated
from dissonance.errors import DissonanceError, EngineError, EngineUnavailable, ModelNotFound


def rest(code: str) -> RestException:
    return RestException({"error_code": code, "message": "as MLflow says"})


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (rest("RESOURCE_DOES_NOT_EXIST"), ModelNotFound),
        (rest("INTERNAL_ERROR"), EngineUnavailable),
        (rest("TEMPORARILY_UNAVAILABLE"), EngineUnavailable),
        (rest("INVALID_PARAMETER_VALUE"), EngineError),
        (MlflowException("Max retries exceeded"), EngineUnavailable),
        (ConnectionResetError("reset"), EngineUnavailable),
    ],
)
def test_each_failure_has_its_error(raised: Exception, expected: type[DissonanceError]) -> None:
    with pytest.raises(DissonanceError) as caught, translated("list models"):
        raise raised
    assert type(caught.value) is expected
    assert caught.value.__cause__ is raised
    assert "list models" in caught.value.what


def test_errors_of_ours_pass_as_they_are() -> None:
    with pytest.raises(ModelNotFound, match="mine"), translated("list models"):
        raise ModelNotFound("mine")
