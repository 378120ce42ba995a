"""The report of a run: one HTML file that needs nothing else.

`python -m science.report FOLDER` writes it anew from the rows and the summary in a folder of results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from dissonance.drills.page import page, prose, section, table
from science.parts import PARTS, name_of
from science.report_estimates import estimates_section

Section = Callable[[dict[str, Any], pd.DataFrame], str]
SECTIONS: dict[str, Section] = {"estimates": estimates_section}
"""By the name of a part, HTML from its summary and rows. A part that is not here is shown as its summary's tables."""

GIB = 2**30
DIGITS = 4


def render_report(told: dict[str, Any], rows: dict[str, pd.DataFrame]) -> str:
    """`told` is the summary as it was written; `rows` by the name of the part."""
    parts = {name_of(part): part for part in PARTS}
    return page(
        "dissonance: benchmark of the science",
        [
            _headline(told),
            *(
                section(
                    parts[name].TITLE,
                    SECTIONS[name](told["parts"][name], rows[name])
                    if name in SECTIONS
                    else plain_tables(told["parts"][name]),
                )
                for name in parts
                if name in told["parts"]
            ),
            section("What was left out, or could not be measured", _left_out(told)),
            section("What was run, and on what", _method(told)),
        ],
    )


def plain_tables(summary: dict[str, Any]) -> str:
    """Lists of dicts as a table each, under their names; what else there is as one table."""
    lists = {name: value for name, value in summary.items() if value and isinstance(value, list)}
    values = [(_words(name), shown(value)) for name, value in summary.items() if not isinstance(value, list)]
    told = [f"<h3>{escape(_words(name))}</h3>{table_of(value)}" for name, value in lists.items()]
    return "".join(told) + (table(("what", "value"), values, numbers={1}) if values else "")


def table_of(rows: Sequence[dict[str, Any]]) -> str:
    """One column a key; `x`, `x_low` and `x_high` are one column."""
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if not _is_end(name, rows)]
    numbers = {place for place, name in enumerate(names) if any(isinstance(row.get(name), int | float) for row in rows)}
    return table([_words(name) for name in names], [tuple(_cell(row, name) for name in names) for row in rows], numbers)


def _is_end(name: str, rows: Sequence[dict[str, Any]]) -> bool:
    base, _, end = name.rpartition("_")
    return end in ("low", "high") and any(base in row for row in rows)


def _cell(row: dict[str, Any], name: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return shown(row.get(name)) + (f" ({shown(low)} to {shown(high)})" if low is not None and high is not None else "")


def shown(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.{DIGITS - 1}g}" if abs(value) < 1 else f"{value:.2f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _headline(told: dict[str, Any]) -> str:
    record, machine = told["record"], told["record"]["machine"]
    verdict = "".join(f'<p class="bad">{escape(reason)}</p>' for reason in record["reasons"])
    return (
        "<h1>Knowing how wrong a model is</h1>"
        f'<p class="soft">{escape(record["what"])}. dissonance {escape(record["version"])}, {escape(record["when"])}, '
        f"{machine['cores']} cores ({escape(machine['cpu'])}, {machine['memory_bytes'] / GIB:.0f} GiB)</p>"
        + (verdict or '<p class="good">Every limit that this run is held to holds.</p>')
    )


def _left_out(told: dict[str, Any]) -> str:
    text = prose(
        """
        PAPE is our implementation after its paper: NannyML's open package does not have it. DoC is without the paper's
        regression over labelled shifts, ATC without its temperature scaling. CBPE's alarm is told only where the
        reference holds three chunks of the window's size. Loss of accuracy, where alarms are sorted by it, is that of
        all rows of the pool a window is drawn from, not of the window.
        """
        + ("" if told["asked"]["with_nannyml"] else "\n\nNannyML was left out of this run, and with it CBPE.")
    )
    failures = [{"case": f["case"], "seed": f["seed"], "at": f["part"], "why": f["what"]} for f in told["failures"]]
    return text + (table_of(failures) if failures else prose("Every case and seed was measured."))


def _method(told: dict[str, Any]) -> str:
    record, asked = told["record"], told["asked"]
    groups: dict[str, list[str]] = {}
    for case in asked["cases"]:
        groups.setdefault(case["group"], []).append(case["case"])
    facts = [
        ("command", record["command"]),
        ("commit", record["commit"] or "not from a checkout"),
        ("cases", f"{len(asked['cases'])} of {len(groups)} data sets, {asked['from']}"),
        ("seeds", ", ".join(map(str, asked["seeds"]))),
        ("windows of a kind and size", str(asked["windows"])),
        ("processes", str(asked["jobs"])),
        *((f"machine: {_words(name)}", shown(value)) for name, value in record["machine"].items()),
        *((name, version) for name, version in told["versions"].items()),
        *((f"seconds of {name}, over all processes", f"{value:.0f}") for name, value in told["seconds"].items()),
    ]
    return (
        prose(
            """
            Of the source rows of a case the model learns from half; a quarter is its labelled reference, a quarter the
            pool of undisturbed windows; the pool of shifted windows is the target. No method sees a label of a window.
            Intervals are 95 %, by hierarchical bootstrap: data sets, shifts in them, seeds in those; every case counts
            the same.
            """
        )
        + table(("what", "value"), facts, numbers=set())
        + table(("data set", "cases"), [(name, ", ".join(cases)) for name, cases in groups.items()], numbers=set())
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    told = msgspec.json.decode((folder / "summary.json").read_bytes())
    rows = {name: pd.read_parquet(folder / f"{name}.parquet") for name in told["parts"]}
    (folder / "report.html").write_text(render_report(told, rows), encoding="utf-8")
    sys.stdout.write(f"{folder / 'report.html'}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
