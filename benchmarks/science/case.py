"""What a case of the science benchmark is: a data set and a rule each for where a model learns and where it is used.

A list `CASES` of these in a Python file is all that `make bench-science CASES=path/to/cases.py` needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

Rule = Callable[[pd.DataFrame], Any] | str
"""From the frame to one value a row: a truth value, or the probability in [0, 1] that the row is drawn to this side. A
string is an expression of `DataFrame.eval`."""


COVARIATE, APART, HIDDEN = "covariate", "apart", "hidden"


@dataclass(frozen=True)
class Case:
    """`load` gives a DataFrame with the column `label`; the others are inputs, unless their name is in `without`.

    A text, truth value or pandas category is a category, other columns are numbers, what is empty is missing. A row
    that both rules take goes to the source. `dataset` names what cases have in common: constants are chosen with all
    cases of a data set left out. It is the name of the loader when left empty.
    """

    name: str
    load: Callable[[], pd.DataFrame]
    source: Rule
    target: Rule
    label: str
    dataset: str = ""
    without: tuple[str, ...] = ()
    family: str = COVARIATE

    @property
    def group(self) -> str:
        """What is left out together."""
        return self.dataset or getattr(self.load, "__name__", self.name)
