"""The demo's report: one HTML file that needs nothing else, readable in light, dark and print."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import msgspec

from dissonance.contracts.times import to_text
from dissonance.drills.demo.charts import (
    accuracy_chart,
    beside_chart,
    comparison_chart,
    dissonance_chart,
    doubt_chart,
    label_chart,
    verdict_chart,
)
from dissonance.drills.demo.compare import Compared
from dissonance.drills.demo.people import DELAY_US
from dissonance.drills.demo.result import DemoResult
from dissonance.drills.demo.story import BACK, STREAM, STRETCH
from dissonance.drills.demo.updates import canaries_words, refused_words, went_live
from dissonance.drills.page import figure, page, prose, section, table

GIB = 2**30


DAY_US = 86_400_000_000


def render_report(result: DemoResult) -> str:
    """The whole page. Everything that is not ours is escaped; nothing is fetched from anywhere."""
    sections = (
        _headline(result),
        section("What happened", _story(result)),
        section(
            "The managed model beside the frozen one",
            figure(
                beside_chart(result),
                "Both answered the same rows; the managed model before any label of a row was asked for. Moving means "
                "over six windows, counted with all labels, which the system does not have.",
            ),
            figure(comparison_chart(result.compared), "The same, by period, with 95 % intervals."),
            _comparison(result.compared),
        ),
        section("What the loop did, in its own words", _happenings(result)),
        section(
            "What the system knew",
            figure(
                accuracy_chart(result),
                "The estimate is the critic's mean belief in the answers; it needs no label. The random check is the "
                "uniform share of the labels bought, agreed inputs included.",
            ),
            figure(label_chart(result), "Labels that were bought, by event time of their input."),
            _labels(result),
        ),
        section(
            "Doubt and dissonance",
            figure(doubt_chart(result), "Doubt is one minus the critic's belief in an answer."),
            figure(
                dissonance_chart(result),
                "Dissonance is the total variation distance between the model's own distribution and the critic's: how "
                "far the model misjudges itself. A coin flip that knows it is one has doubt 0.5 and dissonance 0.",
            ),
        ),
        section(
            "Verdicts of the gate on inputs",
            figure(verdict_chart(result), "Blocked rows are kept, and never learnt from."),
            _reasons(result),
        ),
        section("The policy, and the weight of the penalty", _policies(result)),
        section("Where every prediction is", _accounting(result)),
        section("What was measured, and how", _method(result)),
        section("Settings", _settings(result)),
        section("The data", prose(PROVENANCE)),
    )
    return page("dissonance demo", sections)


def _headline(result: DemoResult) -> str:
    periods = {each.name: each for each in result.compared}
    balanced = result.accounting.balanced
    cards = [
        (f"{name}: frozen → managed", f"{each.frozen.estimate:.1%} → {each.managed.estimate:.1%}")
        for name in (STRETCH, BACK)
        if (each := periods.get(name)) is not None
    ]
    cards += [
        ("labels bought, of all inputs", f"{result.labels.bought:,} of {result.labels.rows:,}"),
        ("predictions accounted for", f"{_accounted_rows(result):,} of {result.accounting.acknowledged:,}"),
    ]
    return (
        "<h1>A classifier that notices, asks, learns, judges, promotes and takes back</h1>"
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
    mischief, labels = result.mischief, result.labels
    return prose(
        f"""
        A model learns from {result.training_rows:,} adults of the census survey of 2015 in Massachusetts who is
        employed. Its sample reached few people in group quarters (prisons, nursing homes, barracks, dormitories):
        {result.training_group_quarters} of {result.training_group_quarters + result.training_left_out:,} were kept, by
        a fixed seed. This, and when the others ask, is what was arranged about the data.

        Then {result.rows:,} people of the surveys of 2016 to 2018 ask for an answer, each once, through the HTTP API,
        {result.stream_group_quarters:,} of them from group quarters. From April to August 2017 and from September to
        November 2018 three of four rows are from there, otherwise about one in a thousand.

        {_noticed(result)}

        People answer only what the system asks, {DELAY_US // DAY_US} days after the input: {labels.bought:,} labels in
        three years, of {labels.budget:,} that the policy would have paid for. What the loop learnt from them went
        through the gate, then a canary, then a watch with the version before in its shadow:
        {went_live(len(result.own_promotions))}. Canaries: {canaries_words(result.updates)}. The gate refused
        {refused_words(result.updates, mischief.version)}.

        On {_day(mischief.forced_at_us)} somebody wanted version {mischief.version} promoted, which had learnt from
        wrong labels. The gate refused: {mischief.refusal}. It was overridden, and the loop took the model back by
        itself {_days(mischief.rolled_back_at_us - mischief.forced_at_us)} of event time later: {mischief.rollback}.
        """
    )


def _noticed(result: DemoResult) -> str:
    if result.harm is None:
        return "That accuracy fell was not noticed."
    harm = result.harm
    return (
        f"{_days(harm.noticed_us - harm.stretch_start_us)} after the stretch began the system said that accuracy had "
        f"fallen, from {harm.reference_accuracy:.1%} to an estimated {harm.estimated_accuracy:.1%}: the estimate used "
        f"no label, and {harm.labels_of_window} labels of the window that showed it were known by then."
    )


def _happenings(result: DemoResult) -> str:
    rows = [(_day(each.event_time_us), each.kind.replace("_", " "), each.text) for each in result.happenings]
    return table(("event time", "what", "told on the bus"), rows, numbers=set())


def _labels(result: DemoResult) -> str:
    rows = [(name.replace("_", " "), f"{count:,}") for name, count in sorted(result.labels.asked.items())]
    rows.append(("budget of the three years", f"{result.labels.budget:,}"))
    return table(("asked as", "labels"), rows, numbers={1})


def _policies(result: DemoResult) -> str:
    rows = [(str(each.version), each.by, each.reason, f"{each.lambda_in_force:g}") for each in result.policies]
    return table(("version", "by", "why", "weight of the penalty, λ"), rows, numbers={0, 3})


def _day(time_us: int) -> str:
    return to_text(time_us)[:10]


def _days(span_us: int) -> str:
    return f"{span_us / DAY_US:.0f} days"


def _reasons(result: DemoResult) -> str:
    totals: dict[tuple[str, str], int] = {}
    for count in result.reasons:
        key = (count.verdict, count.reason)
        totals[key] = totals.get(key, 0) + count.rows
    rows = [(verdict, reason.replace("_", " "), f"{n:,}") for (verdict, reason), n in sorted(totals.items())]
    return table(("verdict", "reason", "rows of the stream"), rows, numbers={2})


def _comparison(compared: Iterable[Compared]) -> str:
    rows = [
        (
            c.name,
            f"{c.rows:,}",
            f"{c.frozen.estimate:.1%} ({c.frozen.low:.1%} to {c.frozen.high:.1%})",
            f"{c.managed.estimate:.1%} ({c.managed.low:.1%} to {c.managed.high:.1%})",
            f"{100 * c.gain.estimate:+.1f} ({100 * c.gain.low:+.1f} to {100 * c.gain.high:+.1f})",
        )
        for c in compared
    ]
    return table(
        ("period", "rows", "frozen (95 %)", "managed (95 %)", "gain in points, paired (95 %)"), rows, numbers={1}
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
    return table(("what", "how many"), rows, numbers={1})


def _method(result: DemoResult) -> str:
    acceleration = STREAM.length_us / 1e6 / result.stream_seconds
    steps = [(step.name, f"{step.seconds:.1f}") for step in result.steps]
    memory = [(name, f"{size / GIB:.2f}") for name, size in result.memory_bytes.items()]
    text = prose(
        f"""
        PostgreSQL, NATS JetStream and MLflow ran as real servers, the roles as processes of their own; the demo spoke
        to them over HTTP and by the plain commands, and otherwise only watched the bus. A reply is sent only after the
        broker has the event on disk.

        The survey tells only the year, so event times are spread evenly in it. Three years passed in
        {result.stream_seconds:.0f} s, {acceleration:,.0f} times faster than life on average, slower in the stretch of
        2017, and not at all while a model was being made or judged: next to nobody would have asked meanwhile. Requests
        held {result.rows_per_request} rows.

        The account compares the ids of all acknowledged predictions with the store and the dead letters, one by one.
        Intervals of a share are Wilson's, those of a difference are paired (Agresti and Min 2005). The stretches were
        chosen so that accuracy truly drops; the critic was not tuned to notice. The frozen model is version 1 as it is
        registered. Seconds are counted from the first step until roles and engines had stopped; this page was made
        after it. Memory is the proportional size of all processes at the end.
        """
    )
    return text + table(("step", "seconds"), steps, numbers={1}) + table(("process", "GiB"), memory, numbers={1})


def _settings(result: DemoResult) -> str:
    rows = [
        (name, value if isinstance(value, str) else f"{value:,}")
        for name, value in msgspec.structs.asdict(result.policy).items()
    ]
    rows += [("seed of the story", str(result.seed)), ("commit", result.commit or "not from a checkout")]
    return table(("policy of the task in force at the end", "value"), rows, numbers={1})


PROVENANCE = """
American Community Survey, Public Use Microdata Sample of the US Census Bureau (public domain), Massachusetts 2015 to
2018, the columns of the folktables task ACSEmployment (Ding et al. 2021). The file ships with the package. Every row is
the answer of a real person whom the survey does not name; no row was changed, and no person is both in training and in
the stream.
"""
