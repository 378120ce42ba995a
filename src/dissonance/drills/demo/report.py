"""The demo's report: one HTML file that needs nothing else, readable in light, dark and print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import msgspec

from dissonance.drills.demo.charts import accuracy_chart, comparison_chart, dissonance_chart, doubt_chart, verdict_chart
from dissonance.drills.demo.result import Compared, DemoResult
from dissonance.drills.demo.story import COMPARED_EACH, STREAM
from dissonance.drills.demo.stream import LABEL_DELAY_US

STYLE = """
:root{color-scheme:light dark;--ink:#1d2128;--paper:#fff;--soft:#5c6470;--grid:#d9dde3;--good:#1f7a4d;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e7e9ed;--paper:#15181d;--soft:#a0a7b3;--grid:#363c46;--good:#58c893;
--bad:#ff8a80}}
@media print{:root{--ink:#000;--paper:#fff;--soft:#444;--grid:#ccc;--good:#1f7a4d;--bad:#b3261e}
figure,table,section{break-inside:avoid}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:54rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin:2.2rem 0 .4rem}p{margin:.5rem 0}
.soft,figcaption{color:var(--soft);font-size:.9rem}.good{color:var(--good)}.bad{color:var(--bad)}
figure{margin:1rem 0}svg{width:100%;height:auto;color:var(--ink)}
table{border-collapse:collapse;width:100%;font-size:.92rem;margin:.6rem 0}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--grid);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.lead{display:grid;grid-template-columns:repeat(auto-fit,minmax(12rem,1fr));gap:.8rem;margin:1.2rem 0}
.lead div{border:1px solid var(--grid);border-radius:.4rem;padding:.7rem .9rem}.lead b{display:block;font-size:1.5rem}
"""
GIB = 2**30


def render_report(result: DemoResult) -> str:
    """The whole page. Everything that is not ours is escaped; nothing is fetched from anywhere."""
    sections = (
        _headline(result),
        _section("What happened", _story(result)),
        _section(
            "Accuracy, estimated and realised",
            _figure(
                accuracy_chart(result),
                "Estimated accuracy is the critic's mean belief in the answers of a window; it needs no label. "
                "Realised accuracy is counted once labels have come, 30 days of event time later.",
            ),
        ),
        _section(
            "Doubt and dissonance",
            _figure(doubt_chart(result), "Doubt is one minus the critic's belief in an answer."),
            _figure(
                dissonance_chart(result),
                "Dissonance is the total variation distance between the model's own distribution and the critic's: how "
                "far the model misjudges itself. A coin flip that knows it is one has doubt 0.5 and dissonance 0.",
            ),
        ),
        _section(
            "Verdicts of the gate",
            _figure(verdict_chart(result), "Blocked rows are kept, and never learnt from."),
            _reasons(result),
        ),
        _section(
            "Before and after the update, on the same rows",
            _figure(
                comparison_chart(result.compared, result.update.old_version, result.update.new_version),
                "Both versions answered the same people of 2018 through the HTTP API. Their labels were never sent to "
                "the system, and none of them is in the training data or in the stream.",
            ),
            _comparison(result.compared),
        ),
        _section("Where every prediction is", _accounting(result)),
        _section("What was measured, and how", _method(result)),
        _section("Settings", _settings(result)),
        _section("The data", _prose(PROVENANCE)),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>dissonance demo</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def _headline(result: DemoResult) -> str:
    group = result.compared[0]
    balanced = result.accounting.balanced
    cards = (
        ("accuracy on " + group.name, f"{group.before.estimate:.1%} → {group.after.estimate:.1%}"),
        ("predictions accounted for", f"{_accounted_rows(result):,} of {result.accounting.acknowledged:,}"),
        ("from request to new version", f"{result.update.seconds:.0f} s"),
        ("memory of the whole system", f"{sum(result.memory_bytes.values()) / GIB:.2f} GiB"),
    )
    return (
        "<h1>A classifier in production, doubted, judged and updated</h1>"
        f'<p class="soft">dissonance {escape(result.version)}, {escape(result.started_at[:19])}Z, '
        f"{result.seconds:.0f} s on {result.machine.cores} cores ({escape(result.machine.cpu)}, "
        f"{result.machine.memory_bytes / GIB:.0f} GiB)</p>"
        '<div class="lead">'
        + "".join(f"<div>{escape(name)}<b>{escape(value)}</b></div>" for name, value in cards)
        + "</div>"
        + f'<p class="{"good" if balanced else "bad"}">'
        + ("Every event that went in was found again." if balanced else "The account does not balance: see below.")
        + "</p>"
    )


def _story(result: DemoResult) -> str:
    update = result.update
    return _prose(
        f"""
        A model learns from {result.training_rows:,} adults of the census survey of 2015 in Massachusetts who is
        employed. Its sample reached few people in group quarters (prisons, nursing homes, barracks, dormitories):
        {result.training_group_quarters} of {result.training_group_quarters + result.training_left_out:,} were kept, by
        a fixed seed. This, and when the others ask, is what was arranged about the data.

        Then {result.rows:,} people of the surveys of 2016 to 2018 ask for an answer, each once, through the HTTP API,
        {result.stream_group_quarters:,} of them from group quarters. From April to August 2017 and from September to
        November 2018 three of four rows are from there, otherwise about one in a thousand.

        Labels come 30 days late. When those of three windows in a row said that accuracy had fallen from
        {update.reference:.1%} to {update.recent:.1%}, the demo ran “dissonance models retrain” and “promote”. Version
        {update.new_version} answered {update.seconds:.0f} s later; requests went on meanwhile, and each was answered.

        The update is the plain one: retrain on everything labelled, check on the golden holdout, move the alias. The
        loop that decides by itself when, with how many labels and within which bound, is not part of this version.
        """
    )


def _reasons(result: DemoResult) -> str:
    totals: dict[tuple[str, str], int] = {}
    for count in result.reasons:
        key = (count.verdict, count.reason)
        totals[key] = totals.get(key, 0) + count.rows
    rows = [(verdict, reason.replace("_", " "), f"{n:,}") for (verdict, reason), n in sorted(totals.items())]
    return _table(("verdict", "reason", "rows of the stream"), rows, numbers={2})


def _comparison(compared: Iterable[Compared]) -> str:
    rows = [
        (
            c.name,
            f"{c.rows:,}",
            f"{c.before.estimate:.1%} ({c.before.low:.1%} to {c.before.high:.1%})",
            f"{c.after.estimate:.1%} ({c.after.low:.1%} to {c.after.high:.1%})",
            f"{100 * c.change.estimate:+.1f} ({100 * c.change.low:+.1f} to {100 * c.change.high:+.1f})",
        )
        for c in compared
    ]
    return _table(
        ("who", "rows", "before (95 %)", "after (95 %)", "change in points, paired (95 %)"), rows, numbers={1}
    )


def _accounted_rows(result: DemoResult) -> int:
    return result.accounting.acknowledged - result.accounting.missing


def _accounting(result: DemoResult) -> str:
    a = result.accounting
    rows = [
        ("predictions acknowledged to clients", f"{a.acknowledged:,}"),
        ("stored, may be learnt from (admitted)", f"{a.admitted:,}"),
        ("stored, never learnt from (blocked)", f"{a.blocked:,}"),
        ("in a dead letter, with its reason", f"{a.dead_lettered:,}"),
        ("acknowledged and nowhere", f"{a.missing:,}"),
        ("stored though nobody asked, or twice", f"{a.unexpected:,}"),
        ("labels sent", f"{a.labels_sent:,}"),
        ("labels joined to their prediction", f"{a.labels_joined:,}"),
        ("links of the hash chain of verdicts, verified", f"{a.verdict_chain_links:,}"),
        ("requests, and how many were sent again", f"{a.requests:,}, {a.retries:,}"),
    ]
    return _table(("what", "how many"), rows, numbers={1})


def _method(result: DemoResult) -> str:
    acceleration = STREAM.length_us / 1e6 / result.stream_seconds
    steps = [(step.name, f"{step.seconds:.1f}") for step in result.steps]
    memory = [(name, f"{size / GIB:.2f}") for name, size in result.memory_bytes.items()]
    text = _prose(
        f"""
        PostgreSQL, NATS JetStream and MLflow ran as real servers, the roles as processes of their own; the demo spoke
        to them over HTTP and by the plain commands. A reply is sent only after the broker has the event on disk.

        The survey tells only the year, so event times are spread evenly in it. Three years passed in
        {result.stream_seconds:.0f} s, {acceleration:,.0f} times faster than life on average, and four times slower than
        otherwise while the model was made. Requests held {result.rows_per_request} rows; labels came
        {LABEL_DELAY_US // 86_400_000_000} days of event time after the answer.

        The account compares the ids of all acknowledged predictions with the store and the dead letters, one by one.
        Intervals of a share are Wilson's, those of a change are paired (Agresti and Min 2005). The comparison's
        {COMPARED_EACH:,} people from group quarters and as many others were asked at event times outside the stream, so
        that they are in none of the windows above.

        The stretches were chosen so that accuracy truly drops; the critic was not tuned to notice. The new version
        learnt from {result.update.labels_used:,} labels of the stream. On the golden holdout, people of 2015 like those
        it was first trained on, accuracy went from {result.update.golden_before:.1%} to
        {result.update.golden_after:.1%}. Memory is the proportional size of all processes at the end.
        """
    )
    return text + _table(("step", "seconds"), steps, numbers={1}) + _table(("process", "GiB"), memory, numbers={1})


def _settings(result: DemoResult) -> str:
    rows = [(name, f"{value:,}") for name, value in msgspec.structs.asdict(result.policy).items()]
    rows += [("seed of the story", str(result.seed)), ("commit", result.commit or "not from a checkout")]
    return _table(("policy of the task in force at the end", "value"), rows, numbers={1})


PROVENANCE = """
American Community Survey, Public Use Microdata Sample of the US Census Bureau (public domain), Massachusetts 2015 to
2018, the columns of the folktables task ACSEmployment (Ding et al. 2021). The file ships with the package. Every row is
the answer of a real person whom the survey does not name; no row was changed, and no person is in two of training,
stream and comparison. The people of the comparison were asked twice, once of each version.
"""


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _prose(text: str) -> str:
    """Paragraphs are parted by empty lines; how lines are broken and indented does not matter."""
    return "".join(f"<p>{escape(' '.join(part.split()))}</p>" for part in text.split("\n\n"))


def _table(head: Sequence[str], rows: Iterable[tuple[str, ...]], numbers: set[int]) -> str:
    classes = ["" if column not in numbers else " class=n" for column in range(len(head))]
    heading = "".join(f"<th{kind}>{escape(cell)}</th>" for kind, cell in zip(classes, head, strict=True))
    lines = ["".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(classes, row, strict=True)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table>"
