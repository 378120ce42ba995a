"""CBPE as NannyML computes it, in NannyML's own environment (`.venv-nannyml`): nothing of ours is imported here.

Each line on standard input is the path of an `.npz` file; each line on standard output answers one, as JSON. The first
line that it writes says which versions answer. It ends when its input ends.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import warnings
from importlib.metadata import version
from typing import Any

# NannyML reports its use over the network unless this is set before it is imported.
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
import numpy as np
import pandas as pd

FEWEST_CHUNKS = 3
"""NannyML alarms beyond three standard deviations over the chunks of the reference; of fewer chunks there is none."""


def frame_of(p: np.ndarray, labels: np.ndarray | None = None) -> pd.DataFrame:
    """Columns as CBPE wants them. Classes have names that sort as their numbers do."""
    classes = p.shape[1]
    answers = p.argmax(axis=1)
    if classes == 2:
        columns: dict[str, Any] = {"p": p[:, 1], "answer": answers}
        truth = labels
    else:
        names = np.array([name_of(number) for number in range(classes)])
        columns = {f"p_{name}": p[:, number] for number, name in enumerate(names)} | {"answer": names[answers]}
        truth = None if labels is None else names[labels]
    return pd.DataFrame(columns if truth is None else columns | {"truth": truth})


def name_of(number: int) -> str:
    return f"{number:04d}"


def estimator_of(classes: int, size: int) -> nannyml.CBPE:
    return nannyml.CBPE(
        metrics=["accuracy"],
        y_pred_proba="p" if classes == 2 else {name_of(number): f"p_{name_of(number)}" for number in range(classes)},
        y_pred="answer",
        y_true="truth",
        problem_type="classification_binary" if classes == 2 else "classification_multiclass",
        chunk_size=size,
    )


def answer(path: str) -> list[dict[str, Any]]:
    """One estimate a window: windows of a size are the chunks of one analysis."""
    with np.load(path) as work:
        reference_p, labels, p, sizes = work["reference_p"], work["labels"], work["p"], work["sizes"]
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    answers: list[dict[str, Any]] = [{} for _ in sizes]
    reference = frame_of(reference_p, labels)
    for size in np.unique(sizes):
        windows = np.flatnonzero(sizes == size)
        estimator = estimator_of(p.shape[1], int(size)).fit(reference)
        rows = np.concatenate([np.arange(starts[window], starts[window] + size) for window in windows])
        table = estimator.estimate(frame_of(p[rows])).filter(period="analysis").to_df()["accuracy"]
        has_alarm = len(reference) >= FEWEST_CHUNKS * size
        for window, (_, row) in zip(windows, table.iterrows(), strict=True):
            answers[window] = {
                "value": float(row["value"]),
                "low": float(row["lower_confidence_boundary"]),
                "high": float(row["upper_confidence_boundary"]),
                "alarm": bool(row["alert"]) if has_alarm else None,
            }
    return answers


def main() -> None:
    # What NannyML and its own imports print must not get between the answers.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    warnings.simplefilter("ignore")
    packages = ("nannyml", "numpy", "pandas", "scikit-learn")
    print(json.dumps({"python": platform.python_version()} | {n: version(n) for n in packages}), file=out, flush=True)
    for line in sys.stdin:
        try:
            reply: dict[str, Any] = {"answers": answer(line.strip())}
        except Exception as error:  # noqa: BLE001 - the edge of this process: whoever asked says which case it was
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main()
