"""Rows of a file in, answers out: what a batch of rows is told, wherever it is computed.

Pure and deterministic: the same part, models and options give the same tables, bit for bit.
"""

from __future__ import annotations

import msgspec
import numpy as np

from dissonance.contracts.schema import Task
from dissonance.decisions.models import open_critic, open_proposer
from dissonance.decisions.scoring_rows import read_rows
from dissonance.decisions.scoring_tables import Answers, OutputTables
from dissonance.ports.scoring import Part, Scored
from dissonance.science.arrays import Matrix
from dissonance.science.dissonance import critic_distribution, dissonance
from dissonance.security.artefacts import Artefact

PART_CELLS = 4_000_000
"""Numbers that a part holds: 32 MB as the models see them, whatever the width of a row."""

MOST_PART_ROWS = 65_536
LEAST_PART_ROWS = 256
SLICE_ROWS = 16_384
"""Rows the models see at once."""


class ScorerSpecification(msgspec.Struct, frozen=True, kw_only=True):
    """All that scoring needs: verified artefacts in plain, and no key. `keys` are columns of the input that come along;
    `text_cells`: they are what a CSV file has; `stop_at_first`: a bad row is the last that is looked at."""

    task: Task
    proposer: Artefact
    critic: Artefact | None
    keys: tuple[str, ...] = ()
    text_cells: bool = False
    stop_at_first: bool = False

    def tables(self) -> OutputTables:
        return OutputTables(self.task.classes, self.keys, text_cells=self.text_cells)


class Scorer:
    """Opened once, may be shared between threads. Raises `ModelRefused` when a model cannot be opened."""

    def __init__(self, specification: ScorerSpecification) -> None:
        self._specification = specification
        self._tables = specification.tables()
        self._proposer = open_proposer(specification.proposer)
        self._critic = None if specification.critic is None else open_critic(specification.critic)

    def score(self, part: Part) -> Scored:
        given = self._specification
        read = read_rows(
            given.task.schema,
            part.table,
            text_cells=given.text_cells,
            stop_at_first=given.stop_at_first,
            keys=given.keys,
        )
        slices = [read.matrix[start : start + SLICE_ROWS] for start in range(0, len(read.matrix), SLICE_ROWS)]
        answers = _joined([self._answer(each) for each in slices or [read.matrix]])
        return Scored(
            number=part.number,
            read=len(part.rows) + len(part.broken),
            answers=self._tables.answers(part.rows[read.good], part.table.take(read.good), answers),
            rejected=self._tables.rejected(part, read.bad),
        )

    def _answer(self, matrix: Matrix) -> Answers:
        if not len(matrix):
            nothing = None if self._critic is None else np.empty(0)
            return Answers(np.empty((0, len(self._specification.task.classes))), nothing, nothing)
        p = self._proposer.probabilities(matrix)
        if self._critic is None:
            return Answers(p)
        c = self._critic.confidence(matrix, p)
        return Answers(p, 1.0 - c, dissonance(p, critic_distribution(p, c)))


def part_rows(features: int, classes: int) -> int:
    """Rows of a part: a function of the task alone, so that the same file is always cut alike.

    >>> part_rows(17, 2), part_rows(4_000, 2)
    (65536, 999)
    """
    return max(LEAST_PART_ROWS, min(MOST_PART_ROWS, PART_CELLS // max(1, features + classes)))


def _joined(answers: list[Answers]) -> Answers:
    if len(answers) == 1:
        return answers[0]
    p = np.concatenate([each.probabilities for each in answers])
    if answers[0].doubts is None:
        return Answers(p)
    doubts = [each.doubts for each in answers if each.doubts is not None]
    dissonances = [each.dissonances for each in answers if each.dissonances is not None]
    return Answers(p, np.concatenate(doubts), np.concatenate(dissonances))
