"""An alarm over a sequence of windows that may be looked at after each: at most so many false alarms a month.

Each window's p-value becomes an e-value, the mixture over all power calibrators (Vovk and Wang 2021). Evidence is an
e-detector of the CUSUM form (Shin, Ramdas and Rinaldo 2024): it starts anew whenever it has fallen below what a new
start would have. Without harm the mean number of windows until it passes a threshold A is at least A, whatever the
number of looks, as long as the p-values are valid given what came before.
"""

from __future__ import annotations

from math import log

from dissonance.errors import InputError

CERTAIN = 0.999999
"""p-values above it are as good as 1, where the formula of the mixture has no value but its limit."""


def e_value(p_value: float) -> float:
    """∫ κ p^(κ−1) dκ over κ in [0, 1], for p in (0, 1]; its mean is at most 1 when p is valid.

    >>> round(e_value(0.001), 1), round(e_value(1.0), 3)
    (20.8, 0.5)
    """
    if not 0.0 < p_value <= 1.0:
        raise InputError(f"{p_value} is no p-value", where="p_value", fix="give a number above 0, at most 1")
    if p_value > CERTAIN:
        return 0.5
    logarithm = log(p_value)
    return (1.0 - p_value + p_value * logarithm) / (p_value * logarithm * logarithm)


def accumulated(evidence: float, p_value: float) -> float:
    """The evidence after one more window; begin with 0, and again after an alarm."""
    return e_value(p_value) * max(1.0, evidence)


def alarm_threshold(windows_per_month: float, alarms_per_month: float) -> float:
    """The evidence at which to alarm, so that at most `alarms_per_month` are false; both above 0.

    >>> alarm_threshold(720, 1)
    720.0
    """
    if windows_per_month <= 0.0 or alarms_per_month <= 0.0:
        raise InputError("there is no such alarm budget", where="alarms_per_month", fix="give numbers above 0")
    return max(1.0, windows_per_month / alarms_per_month)
