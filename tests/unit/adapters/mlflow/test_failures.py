"""What MLflow answers, and what comes when it does not, arrives as one of our errors, with its cause."""

from __future__ import annotations

import pytest
from urllib3.exceptions import ProtocolError

from dissonance.adapters.mlflow.failures import Refused, translated
from dissonance.errors import DissonanceError, EngineError, EngineUnavailable, ModelNotFound


def rest(code: str) -> Refused:
    return Refused(code, "as MLflow says")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (rest("RESOURCE_DOES_NOT_EXIST"), ModelNotFound),
        (rest("INTERNAL_ERROR"), EngineUnavailable),
        (rest("TEMPORARILY_UNAVAILABLE"), EngineUnavailable),
        (rest("INVALID_PARAMETER_VALUE"), EngineError),
        (rest("HTTP 502"), EngineUnavailable),
        (rest("HTTP 403"), EngineError),
        (ProtocolError("Connection aborted."), EngineUnavailable),
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
