"""Any scikit-learn-compatible classifier as the proposer; stored with skops, never as a pickle.

A skops file says which types it holds, and only types on the list that was found (and signed) when the model was
made are built again. That list may only hold types of numpy, scipy, scikit-learn and LightGBM, and what the caller
declared.

skops is loaded where it is needed: it takes a second, which every role would pay at its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from dissonance.errors import ConfigurationError, ModelFailed, ModelRefused, ModelUnsupported
from dissonance.science.arrays import Classes, Matrix

TRUSTED_PACKAGES = ("numpy.", "scipy.", "sklearn.", "lightgbm.")
TRUSTED_TYPES = frozenset({"collections.OrderedDict"})  # inside LightGBM's scikit-learn models


class Estimator(Protocol):
    """What a classifier must have; everything of scikit-learn that has `predict_proba` does."""

    classes_: NDArray[Any]

    def fit(self, features: Matrix, classes: Classes) -> Self: ...

    def predict_proba(self, features: Matrix) -> Matrix: ...


class EstimatorProposer:
    """A fitted classifier."""

    def __init__(self, estimator: Any, classes_count: int) -> None:
        self._estimator = estimator
        self._classes_count = classes_count
        self._columns = np.asarray(estimator.classes_, dtype=np.int64)

    @property
    def template(self) -> Any:
        """The classifier without its preparation; `fit_estimator` fits a copy of it."""
        return self._estimator.named_steps["classify"]

    @property
    def made_here(self) -> bool:
        """Whether `fit_estimator` made it, and can make another like it."""
        return "prepare" in self._estimator.named_steps

    def probabilities(self, features: Matrix) -> Matrix:
        """(n, d) to (n, k); rows sum to 1. A class that was not in the training rows has probability 0. Raises
        `ModelFailed` where the classifier refuses a row."""
        probabilities = np.zeros((len(features), self._classes_count))
        if len(features):
            try:
                probabilities[:, self._columns] = self._estimator.predict_proba(features)
            except (ValueError, TypeError) as error:
                raise ModelFailed(
                    f"the classifier refused a row: {error}", where="model", fix="retrain, or take the version back"
                ) from error
        return probabilities

    def stored(self, declared_types: Sequence[str] = ()) -> tuple[bytes, tuple[str, ...]]:
        """The skops file and the types beyond skops' own that it holds.

        Raises `ConfigurationError` when a type is neither of a trusted package nor among `declared_types`.
        """
        import skops.io
        from skops.io.exceptions import UnsupportedTypeException

        try:
            data = skops.io.dumps(self._estimator)
        except UnsupportedTypeException as error:
            raise ConfigurationError(
                f"the classifier cannot be stored: {error}", where="estimator", fix="use one that skops supports"
            ) from error
        types = tuple(sorted(skops.io.get_untrusted_types(data=data)))
        for name in types:
            if not (_is_trusted(name) or name in declared_types):
                raise ConfigurationError(
                    f"the classifier holds a {name}, which is not trusted",
                    where="estimator",
                    fix="declare the type if you trust its code, or use another classifier",
                )
        return data, types


def fit_estimator(
    estimator: Any, features: Matrix, classes: Classes, *, category_sizes: Sequence[int], classes_count: int, seed: int
) -> EstimatorProposer:
    """Fit a copy of `estimator` behind the preparation it needs.

    Categories are one-hot; numbers are scaled, and imputed (median, with a flag) unless it takes NaN itself.
    """
    if isinstance(estimator, type):
        raise ConfigurationError(
            f"{estimator.__name__} is a class, not a classifier", where="estimator", fix=f"give {estimator.__name__}()"
        )
    if not hasattr(estimator, "predict_proba"):
        raise ConfigurationError(
            f"{type(estimator).__name__} has no predict_proba",
            where="estimator",
            fix="use a classifier with probabilities",
        )
    fresh = clone(estimator)
    if "random_state" in fresh.get_params():
        fresh.set_params(random_state=seed)
    categories = [column for column, size in enumerate(category_sizes) if size > 0]
    numbers = [column for column, size in enumerate(category_sizes) if size == 0]
    takes_missing = get_tags(fresh).input_tags.allow_nan
    scaled = StandardScaler() if takes_missing else make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )  # fmt: skip
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = ColumnTransformer([("categories", one_hot, categories), ("numbers", scaled, numbers)])
    pipeline = Pipeline([("prepare", prepare), ("classify", fresh)])
    return EstimatorProposer(pipeline.fit(features, classes), classes_count)


def adopt_estimator(data: bytes, classes_count: int) -> EstimatorProposer:
    """A fitted classifier that others saved with skops; it takes the task's matrix as it is, and its `classes_` are the
    indices of the task's classes.

    Raises `ModelUnsupported` when it holds a type that is not of a trusted package, `ModelRefused` when it is no such
    classifier.
    """
    import skops.io

    try:
        types = skops.io.get_untrusted_types(data=data)
        foreign = [name for name in types if not _is_trusted(name)]
        if foreign:
            raise ModelUnsupported(
                f"the model was refused: it holds {', '.join(sorted(foreign))}, which is not trusted",
                where="skops file",
                fix="use a classifier of scikit-learn or LightGBM, or export it as ONNX",
            )
        estimator = skops.io.loads(data, trusted=types)
    except (BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
        raise _refused(f"its skops file cannot be read: {error}") from error
    if not hasattr(estimator, "predict_proba") or not hasattr(estimator, "classes_"):
        raise _refused("it is no fitted classifier with predict_proba")
    if not np.issubdtype(np.asarray(estimator.classes_).dtype, np.integer) or not _fits(
        estimator.classes_, classes_count
    ):
        raise _refused(f"its classes are not indices from 0 to {classes_count - 1}: fit it on the place of each class")
    return EstimatorProposer(Pipeline([("classify", estimator)]), classes_count)


def load_estimator(data: bytes, trusted_types: Sequence[str], classes_count: int) -> EstimatorProposer:
    """Raises `ModelRefused` when the file is damaged or holds a type that is not in `trusted_types`."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        estimator = skops.io.loads(data, trusted=list(trusted_types))
    except UntrustedTypesFoundException as error:
        raise ModelUnsupported(
            f"the model was refused: it holds types that its manifest does not name: {error}",
            where="model artefact",
            fix="retrain, or roll back",
        ) from error
    except (BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError) as error:
        raise _refused(f"its skops file cannot be read: {error}") from error
    if not isinstance(estimator, Pipeline) or "classify" not in estimator.named_steps:
        raise _refused("it is no classifier made here")
    if not hasattr(estimator, "predict_proba") or not _fits(estimator.classes_, classes_count):
        raise _refused(f"it is no classifier of {classes_count} classes")
    return EstimatorProposer(estimator, classes_count)


def _fits(classes: NDArray[Any], classes_count: int) -> bool:
    return len(classes) <= classes_count and all(0 <= int(index) < classes_count for index in classes)


def _is_trusted(name: str) -> bool:
    return name.startswith(TRUSTED_PACKAGES) or name in TRUSTED_TYPES


def _refused(what: str) -> ModelRefused:
    return ModelRefused(f"the model was refused: {what}", where="model artefact", fix="retrain, or roll back")
