"""A model on one page, for people (Mitchell et al. 2019): what it is for, how good it is and where, and its limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import asdict

from dissonance.contracts.schema import Task
from dissonance.contracts.times import to_text
from dissonance.pipeline.describing import Description
from dissonance.ports.registry import ELSEWHERE, MADE
from dissonance.security.artefacts import Manifest

CARD_FILE = "model-card.md"
MARKS = re.compile(r"([\\`*_\[\]<>|&~])")
WORST = 10


def model_card(
    task: Task,
    manifest: Manifest,
    metrics: Mapping[str, float],
    parameters: Mapping[str, str],
    described: Description | None = None,
) -> bytes:
    """Markdown. It holds no row of a person: counts, means and intervals of golden rows only."""
    return "\n".join(
        (
            f"# {plain(task.name)}, version {manifest.version}",
            "",
            *_model(task, manifest, parameters),
            *_accuracy(metrics),
            *(() if described is None else (*_slices(described), *_errors(task, described))),
            *_limits(manifest, described),
            *(() if described is None else _policy(described)),
            "",
        )
    ).encode()


def _model(task: Task, manifest: Manifest, parameters: Mapping[str, str]) -> Iterator[str]:
    classes = ", ".join(plain(each) for each in task.classes)
    yield f"Answers {plain(task.target)} ({classes}) from {len(task.schema.names)} columns."
    yield ""
    yield "| what | |"
    yield "|---|---|"
    yield f"| made | {to_text(manifest.created_at_us)} |"
    yield f"| format | {manifest.format.value} |"
    yield from (f"| {plain(name.replace('_', ' '))} | {plain(value)} |" for name, value in sorted(parameters.items()))
    yield f"| training data, SHA-256 | {manifest.training_data_digest or 'not known: made elsewhere'} |"
    parent = "not known: made elsewhere" if parameters.get(MADE) == ELSEWHERE else manifest.parent or "nothing"
    yield f"| trained after, digest | {parent} |"
    yield f"| columns | {', '.join(map(plain, task.schema.names))} |"
    yield f"| libraries | {', '.join(f'{name} {version}' for name, version in sorted(manifest.libraries.items()))} |"
    yield ""


def _accuracy(metrics: Mapping[str, float]) -> Iterator[str]:
    yield "## How good it is"
    yield ""
    if "golden_accuracy" in metrics:
        low, high = metrics["golden_accuracy_low"], metrics["golden_accuracy_high"]
        yield (
            f"Accuracy on {metrics['golden_rows']:.0f} golden rows, which taught nothing: "
            f"{metrics['golden_accuracy']:.4f} (95 % interval {low:.4f} to {high:.4f})."
        )
        yield ""
    yield "| metric | value |"
    yield "|---|---|"
    yield from (f"| {name} | {value:.6g} |" for name, value in sorted(metrics.items()))
    yield ""


def _slices(described: Description) -> Iterator[str]:
    yield "## Where it is worst"
    yield ""
    if not described.slices:
        yield f"No slice has {described.policy.slice_rows_min} golden rows."
        yield ""
        return
    yield "| slice | rows | accuracy | 95 % interval |"
    yield "|---|---|---|---|"
    for each in sorted(described.slices, key=lambda each: each.accuracy.estimate)[:WORST]:
        found = each.accuracy
        interval = f"{found.low:.4f} to {found.high:.4f}"
        yield f"| {plain(each.feature)} = {plain(each.value)} | {each.rows} | {found.estimate:.4f} | {interval} |"
    yield ""


def _errors(task: Task, described: Description) -> Iterator[str]:
    yield "## What it takes for what"
    yield ""
    yield f"| true class | {' | '.join(f'answered {plain(each)}' for each in task.classes)} |"
    yield f"|---|{'---|' * len(task.classes)}"
    for name, row in zip(task.classes, described.confusion.tolist(), strict=True):
        yield f"| {plain(name)} | {' | '.join(str(count) for count in row)} |"
    yield ""


def _limits(manifest: Manifest, described: Description | None) -> Iterator[str]:
    yield "## Limits"
    yield ""
    yield "- The scores are of rows like the golden ones; of other traffic its critic says how far to trust it."
    if not manifest.training_data_digest:
        yield "- It was made elsewhere: whether golden rows taught it is not known here."
    if described is not None:
        sensitive = described.policy.sensitive
        declared = f"declared: {', '.join(map(plain, sensitive))}"
        named = declared if sensitive else "none is declared, so that fairness is not judged"
        yield f"- Sensitive columns: {named}."
        yield f"- Slices below {described.policy.slice_rows_min} golden rows are not told and not judged."
    yield ""


def _policy(described: Description) -> Iterator[str]:
    yield f"## Policy, version {described.policy.version}, when it was made"
    yield ""
    yield "| limit | value |"
    yield "|---|---|"
    yield from (f"| {name} | {plain(value)} |" for name, value in asdict(described.policy).items() if name != "version")


def plain(text: object) -> str:
    """One line of Markdown that shows the text and is nothing but text: names of columns and classes came in a file of
    somebody, and a page of HTML may be made of the card (CWE-79).

    >>> plain("age | <script>"), plain("a_b")
    ('age \\\\| \\\\<script\\\\>', 'a\\\\_b')
    """
    return MARKS.sub(r"\\\1", " ".join(str(text).split()))
