"""Data that ships with the package; where it comes from is in `README.md` beside this file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

ACS_EMPLOYMENT = "acs_employment_ma.parquet"


def acs_employment_path() -> Path:
    """The packaged American Community Survey file: Massachusetts, 2015-2018, 277,677 rows.

    >>> acs_employment_path().suffix
    '.parquet'
    """
    return Path(str(files(__name__).joinpath(ACS_EMPLOYMENT)))
