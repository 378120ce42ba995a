"""The files that are handed in, with canaries as values of every kind of column. They stay their owner's: the folder
that they are in is not searched."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from dissonance.drills.encryption.canaries import Canaries

TASK: Final = "canaries"
AMOUNT, WEIGHT, PLACE, PERSON, TARGET = "amount", "weight", "place", "person", "outcome"
ROWS: Final = 1_500
SEED: Final = 7

TRAINING: Final = "task create"
CATEGORY: Final = "task create: category"
LABEL: Final = "task create: class"

POLICY: Final[Mapping[str, float]] = {
    "slice_rows_min": 20,
    "golden_drop_max": 0.5,
    "retrain_labels_enough": 1_000_000_000,
    "retrain_labels_min": 1_000_000_000,
    "label_budget_per_day": 1_000,
    "second_look_confidence": 1.0,
    "cooling_off_s": 0,
    "window_rows": 200,
}
"""Nothing is retrained but by hand, and slices are told of few rows, so that categories get everywhere they can."""


class Given:
    """Writes into `folder`; `canaries` are made as files name them."""

    def __init__(self, folder: Path, canaries: Canaries) -> None:
        self.folder = folder
        self._canaries = canaries
        self.category = canaries.text(CATEGORY)
        self.classes = (canaries.text(LABEL), "other")
        folder.mkdir(parents=True, exist_ok=True)

    def policy(self) -> Path:
        path = self.folder / "policy.json"
        path.write_text(json.dumps(POLICY))
        return path

    def training(self) -> Path:
        """Every kind of value, among them the largest number of a column, which the task's schema speaks of."""
        frame = self._frame("person", ROWS, SEED)
        frame.loc[0, AMOUNT] = self._canaries.number(f"{TRAINING}: number")
        frame.loc[1, AMOUNT] = self._canaries.number(f"{TRAINING}: largest number", near=8.0)
        frame.loc[0, PERSON] = self._canaries.text(f"{TRAINING}: data subject")
        return self._parquet(frame, "training")

    def golden(self) -> Path:
        return self._parquet(self._marked("task golden", 400, SEED + 1), "golden")

    def pipeline_rows(self) -> Path:
        frame = self._marked("pipeline run", 300, SEED + 2)
        path = self.folder / "rows.csv"
        # nosemgrep: cells-past-the-marking - what a user gives, nothing that we hand out
        frame.to_csv(path, index=False)
        return path

    def refused_rows(self) -> Path:
        frame = self._frame("refused", 50, SEED + 3)
        frame.loc[0, PLACE] = self._canaries.text("pipeline run, refused: category")
        frame.loc[0, PERSON] = self._canaries.text("pipeline run, refused: data subject")
        return self._parquet(frame, "refused")

    def database(self) -> tuple[str, str]:
        """Address and query of one, each with a canary."""
        path = self.folder / "rows.sqlite"
        with closing(sqlite3.connect(path)) as database:
            self._marked("pipeline run, database", 60, SEED + 4).to_sql("rows", database, index=False)
        query = f"SELECT * FROM rows WHERE person <> '{self._canaries.text('pipeline run: query')}'"  # noqa: S608
        return f"sqlite:///{path}", query

    def scored(self, ending: str) -> Path:
        """Rows for `dissonance score`, one of which cannot be answered."""
        frame = self._marked(f"score {ending}", 60, SEED + 5).drop(columns=TARGET)
        frame.loc[1, PLACE] = self._canaries.text(f"score {ending}, refused: category")
        path = self.folder / f"scored.{ending}"
        # nosemgrep: cells-past-the-marking - what a user gives, nothing that we hand out
        frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
        return path

    def labels(self, prediction_id: str) -> Path:
        path = self.folder / "labels.jsonl"
        path.write_text(json.dumps({"prediction_id": prediction_id, "label": self.classes[0]}) + "\n")
        return path

    def row(self, channel: str) -> dict[str, Any]:
        """One for the API: its number and its data subject are the channel's canaries."""
        return {
            AMOUNT: self._canaries.number(f"{channel}: number"),
            WEIGHT: 1.0,
            PLACE: self.category,
            PERSON: self._canaries.text(f"{channel}: data subject"),
        }

    def rows(self, count: int) -> list[dict[str, Any]]:
        """Many, with no canary but the category."""
        frame = self._frame("traffic", count, SEED + 6).drop(columns=TARGET).assign(place=self.category)
        rows: list[dict[str, Any]] = frame.to_dict("records")
        return rows

    def _marked(self, channel: str, rows: int, seed: int) -> pd.DataFrame:
        frame = self._frame(channel.replace(" ", "-"), rows, seed)
        frame.loc[0, AMOUNT] = self._canaries.number(f"{channel}: number")
        frame.loc[0, PERSON] = self._canaries.text(f"{channel}: data subject")
        return frame

    def _frame(self, who: str, rows: int, seed: int) -> pd.DataFrame:
        chance = np.random.default_rng(seed)
        amount, weight = chance.uniform(0.0, 4.0, rows), chance.uniform(0.0, 2.0, rows)
        is_first = amount + weight + chance.normal(0.0, 0.5, rows) > 3.0
        return pd.DataFrame(
            {
                AMOUNT: amount,
                WEIGHT: weight,
                PLACE: chance.choice([self.category, "here", "there"], rows),
                PERSON: [f"{who}-{number}" for number in range(rows)],
                TARGET: np.where(is_first, *self.classes),
            }
        )

    def _parquet(self, frame: pd.DataFrame, name: str) -> Path:
        path = self.folder / f"{name}.parquet"
        frame.to_parquet(path)
        return path
