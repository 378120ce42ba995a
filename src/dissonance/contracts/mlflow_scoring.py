"""Bodies of MLflow's scoring protocol, as MLflow 2 and later names them.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input
"""

from __future__ import annotations

from typing import Any

import msgspec

from dissonance.contracts.api import Row
from dissonance.contracts.schema import Scalar


class SplitFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A data frame as `DataFrame.to_dict(orient="split")` writes it; the index is not looked at."""

    columns: list[str]
    data: list[list[Scalar | None]]
    index: Any = None


class InvocationsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of the first four. `instances`: a list of rows, each an object, or the features in model order;
    `inputs`: an object of columns, or as `instances`. `params`: this protocol's, of which a task takes none."""

    dataframe_split: SplitFrame | None = None
    dataframe_records: list[Row] | None = None
    instances: list[Any] | None = None
    inputs: list[Any] | dict[str, Any] | None = None
    params: dict[str, Any] | None = None


class InvocationsReply(msgspec.Struct, frozen=True, kw_only=True):
    """`predictions` as every MLflow classifier gives them; beside them what labels and reports need. `probabilities` in
    the order of `classes`."""

    predictions: list[Scalar]
    prediction_ids: list[str]
    probabilities: list[list[float]]
    classes: list[Scalar]
    model_version: int
    model_digest: str
