"""The part on accuracy without labels: what its summary says of rows that are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from science.estimates import figures, limits, summary
from science.methods import CBPE, PAPE, SCEPTIC
from science.report_estimates import estimates_section

OFF = {SCEPTIC: 0.01, CBPE: -0.03, PAPE: 0.02}
"""By how much each is off, everywhere."""


def rows() -> Iterator[dict[str, Any]]:
    """Two data sets of two cases; the target of the second case of each is 6 points worse."""
    for group, case, seed, kind, window in [
        (g, c, s, k, w) for g in "ab" for c in (1, 2) for s in (1, 2) for k in ("source", "target") for w in (0, 1)
    ]:
        truth = 0.84 if kind == "target" and case == 2 else 0.9
        common = {"group": group, "case": f"{group}{case}", "seed": seed, "kind": kind, "size": 100, "window": window}
        common |= {"truth": truth, "pool": truth, "reference": 0.9, "seconds": 0.1, "note": ""}
        common |= {"family": "covariate"}
        silent = {"value": None, "low": None, "high": None, "bound": None, "alarm": None}
        for method, off in OFF.items():
            yield common | silent | {"method": method, "value": truth + off}
        bound = truth - 0.02 if window else truth + 0.01
        yield common | silent | {"method": "bounded", "value": truth, "low": truth - 0.1, "high": truth, "bound": bound}
        yield common | silent | {"method": "test", "alarm": truth < 0.87 or window == 1}
        yield (
            common
            | silent
            | {"method": "shy", "value": truth if window else None, "note": "" if window else "no overlap"}
        )


TOLD = summary(list(rows()))


def the(table: str, **wanted: Any) -> dict[str, Any]:
    (row,) = (row for row in TOLD[table] if wanted.items() <= row.items())
    return row


@pytest.mark.parametrize(("method", "error", "bias"), [(SCEPTIC, 1.0, 1.0), (CBPE, 3.0, -3.0), (PAPE, 2.0, 2.0)])
def test_error_and_bias_are_in_points(method: str, error: float, bias: float) -> None:
    row = the("errors", method=method, kind="target", size=100)

    assert (row["error"], row["bias"]) == pytest.approx((error, bias))


def test_shifts_that_nobody_can_see_are_told_beside_the_others_and_move_no_other_figure() -> None:
    hidden = [
        row | {"case": f"{row['case']}-hidden", "family": "hidden", "truth": row["truth"] - 0.3} for row in rows()
    ]
    told = summary([*rows(), *hidden])

    assert told["errors"] == TOLD["errors"]
    assert told["alarms"] == TOLD["alarms"]
    errors = {row["family"]: row["error"] for row in told["families"] if row["method"] == SCEPTIC}
    assert errors == pytest.approx({"covariate": 1.0, "hidden": 31.0})


def test_difference_to_a_peer_is_paired_and_reduction_is_a_share_of_the_peers_error() -> None:
    row = the("differences", method=SCEPTIC, peer=CBPE, kind="source")

    assert row["difference"] == pytest.approx(-2.0)
    assert row["difference_high"] == pytest.approx(-2.0)
    assert row["reduction"] == pytest.approx(2 / 3)


def test_interval_covers_and_bound_holds_in_the_share_of_windows_where_they_do() -> None:
    row = the("intervals", method="bounded", kind="source")

    assert (row["covered"], row["width"], row["valid"]) == pytest.approx((1.0, 10.0, 0.5))
    assert row["slack"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("drop", "share", "windows"),
    [("undisturbed", 0.5, 16), ("shifted, within 1 point", 0.5, 8), ("loss over 5 points", 1.0, 8)],
)
def test_alarms_are_sorted_by_the_true_loss(drop: str, share: float, windows: int) -> None:
    row = the("alarms", method="test", drop=drop)

    assert (row["alarms"], row["windows"]) == (share, windows)


def test_what_a_method_cannot_tell_is_counted_with_its_reason_and_left_out_of_its_error() -> None:
    assert the("untold", method="shy", kind="target")["note"] == "no overlap"
    assert the("untold", method="shy", kind="target")["windows"] == 8
    assert the("errors", method="shy", kind="target", size=100)["windows"] == 8


def test_record_has_the_sceptic_against_both_peers() -> None:
    told = figures(TOLD)

    assert told["error_sceptic_target_100_points"] == pytest.approx(1.0)
    assert told["against_cbpe_target_high_points"] == pytest.approx(-2.0)
    assert told["below_pape_target"] == pytest.approx(0.5)


def test_limits_hold_the_sceptic_to_the_peers_that_were_measured_and_to_figures_that_there_are() -> None:
    without_cbpe = summary([row for row in rows() if row["method"] != CBPE])

    assert {limit.name for limit in limits(TOLD)} <= set(figures(TOLD))
    assert len(limits(TOLD)) == 3
    assert [limit.name for limit in limits(without_cbpe)] == ["against_pape_target_high_points"]
    assert limits(summary([row for row in rows() if row["method"] != SCEPTIC])) == []


def test_report_shows_every_method_by_case() -> None:
    page = estimates_section(TOLD, pd.DataFrame(list(rows())))

    assert page.count("<svg") == 4
    assert all(method in page for method in (*OFF, "bounded", "shy", "no overlap"))
