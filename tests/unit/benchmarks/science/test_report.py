"""The report of a part that has no section of its own: its summary as tables."""

from __future__ import annotations

from science.report import plain_tables, table_of


def test_a_value_and_its_interval_share_a_column() -> None:
    page = table_of([{"method": "margin", "labels": 40, "gain": 0.81, "gain_low": 0.7, "gain_high": 0.9}])

    assert "<th>method</th><th class=n>labels</th><th class=n>gain</th>" in page
    assert "<td class=n>0.81 (0.7 to 0.9)</td>" in page


def test_a_value_that_a_row_lacks_is_empty_and_text_is_escaped() -> None:
    page = table_of([{"a": "<b>", "n": 1}, {"a": "x"}, {"a": "y", "n": float("nan")}])

    assert "&lt;b&gt;" in page
    assert page.count("<td class=n></td>") == 2


def test_lists_become_tables_under_their_names_and_other_values_one_table() -> None:
    page = plain_tables({"by_case": [{"case": "a"}], "coverage": 0.95, "nothing": []})

    assert "<h3>by case</h3>" in page
    assert "coverage" in page
    assert "nothing" not in page
    assert page.count("<table>") == 2
