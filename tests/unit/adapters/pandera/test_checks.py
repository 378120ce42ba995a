"""Every failure of a table is found, with its column, its rows, the first of them, and what to do."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from dissonance.adapters.pandera.checks import PanderaChecks
from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema, Scalar, Task
from dissonance.ports.checks import Finding
from dissonance.ports.sources import SUBJECT_HASH

GOOD = {
    "amount": [1.5, 2.0, 3.0],
    "count": [1, None, 3],
    "kind": ["x", "y", "x"],
    "label": ["no", "yes", "no"],
    "person": ["a", "b", "c"],
    "at": ["2026-01-01", None, "2026-01-02T00:00:00Z"],
}


def task(kinds: tuple[Scalar, ...] = ("x", "y"), person: str | None = "person") -> Task:
    features = (
        Feature("amount", FeatureKind.NUMBER, minimum=0.0, maximum=10.0),
        Feature("count", FeatureKind.INTEGER, missing_allowed=True, minimum=0.0, maximum=10.0),
        Feature("kind", FeatureKind.CATEGORY, categories=kinds),
    )
    return Task(
        task_id="0" * 32,
        name="small",
        schema=FeatureSchema(features),
        classes=("no", "yes"),
        target="label",
        created_at_us=0,
        source_digest="",
        time_column="at",
        data_subject_column=person,
    )


def failures(**changed: object) -> list[Finding]:
    columns = {name: values for name, values in {**GOOD, **changed}.items() if values is not None}
    return list(PanderaChecks().check(task(), pa.table(columns)).failures)


def test_rows_that_fit_are_told_nothing_of() -> None:
    assert PanderaChecks().check(task(), pa.table(GOOD)) == ((), ())


@pytest.mark.parametrize(
    ("changed", "column", "check", "rows", "first", "fix"),
    [
        ({"amount": None}, "amount", "is not there", 0, None, "give the source a column"),
        ({"amount": [1.0, None, None]}, "amount", "is missing", 2, 1, "fill it in"),
        ({"amount": [1.0, float("inf"), 2.0]}, "amount", "is infinite", 1, 1, "make it missing or finite"),
        ({"amount": ["1", "2", "3"]}, "amount", "is no number", 3, 0, "write the column as numbers"),
        ({"amount": [True, False, True]}, "amount", "is no number", 3, 0, "write the column as numbers"),
        ({"count": [1.0, 1.5, 2.5]}, "count", "is no whole number", 2, 1, "round it"),
        ({"kind": ["x", "z", "z"]}, "kind", "is no category of the task's schema", 2, 1, "map it to one of the 2 that"),
        ({"label": ["no", "perhaps", "yes"]}, "label", "is no class of the task", 1, 1, "map it to one of the 2 that"),
        ({"label": ["no", "yes", None]}, "label", "is missing", 1, 2, "fill it in"),
        ({"person": None}, "person", "is not there", 0, None, "give the source a column"),
        ({"person": ["a", None, "c"]}, "person", "is missing", 1, 1, "fill it in"),
        ({"at": ["yesterday", None, "2026-01-01"]}, "at", "is no time", 1, 0, "give RFC 3339 text"),
    ],
)
def test_what_fails_is_told_by_column_rows_and_remedy(
    changed: dict[str, object], column: str, check: str, rows: int, first: int | None, fix: str
) -> None:
    (found,) = failures(**changed)
    assert (found.column, found.check, found.rows, found.first_row) == (column, check, rows, first)
    assert found.fix.startswith(fix)


def test_all_failures_are_told_together() -> None:
    found = failures(amount=[1.0, None, float("inf")], kind=["z", "x", None], label=None)
    assert {(each.column, each.check) for each in found} == {
        ("amount", "is missing"),
        ("amount", "is infinite"),
        ("kind", "is no category of the task's schema"),
        ("kind", "is missing"),
        ("label", "is not there"),
    }


def test_number_beyond_the_reference_is_a_remark_and_no_failure() -> None:
    found = PanderaChecks().check(task(), pa.table({**GOOD, "amount": [1.0, 11.0, -1.0]}))
    assert found.failures == ()
    (remark,) = found.remarks
    assert (remark.column, remark.rows, remark.first_row) == ("amount", 2, 1)
    assert "outside of the range" in remark.check and "10" not in remark.check


def test_whole_numbers_beside_gaps_are_categories_of_whole_numbers_and_a_boolean_is_none() -> None:
    numbers = task(kinds=(1, 2))
    assert not PanderaChecks().check(numbers, pa.table({**GOOD, "kind": [1.0, 2.0, 1.0]})).failures
    (found,) = PanderaChecks().check(numbers, pa.table({**GOOD, "kind": [True, True, False]})).failures
    assert found.rows == 3


def test_times_may_be_of_arrows_own_type_and_people_may_come_as_hashes() -> None:
    columns = {name: values for name, values in GOOD.items() if name != "person"}
    columns |= {"at": [datetime.datetime(2026, 1, 1)] * 3, SUBJECT_HASH: [b"a" * 16] * 3}
    assert not PanderaChecks().check(task(), pa.table(columns)).failures
