"""Two LightGBM models in one file: the trees of both, their leaf values scaled (exact, since scores add up)."""

from __future__ import annotations

from collections.abc import Sequence

from dissonance.errors import ModelRefused
from dissonance.science.mixing import Calibration
from dissonance.science.proposer import Component, LightGBMProposer
from dissonance.science.tree_text import joined, parts

LEAST_SHARE = 0.02
MOST_COMPONENTS = 5
"""Older parts go first when there would be more: their share is the smallest but for a series of tiny steps."""

SCALED = ("leaf_value", "internal_value")


def merge(old: LightGBMProposer, new: LightGBMProposer, step: float, calibration: Calibration) -> LightGBMProposer:
    """The model whose log-odds are (1 - step) old + step (scale · new + offsets), `step` in [0, 1].

    Parts of the incumbent that would give less than `LEAST_SHARE` are left out, and the rest makes up for them. Raises
    `ModelRefused` when the texts do not have the same classes.
    """
    classes = old.classes_count
    if new.classes_count != classes:
        raise ModelRefused(
            "two models of different classes cannot be merged", where="model artefact", fix="train both on this task"
        )
    outputs = 1 if classes == 2 else classes
    header, old_trees = parts(old.text)
    _, new_trees = parts(new.text)
    kept, scale = _kept(old.components, step)
    blocks: list[str] = []
    components: list[Component] = []
    start = 0
    for component, keep in zip(old.components, kept, strict=True):
        trees = old_trees[start : start + component.trees]
        start += component.trees
        if keep:
            blocks += [_scaled(tree, scale) for tree in trees]
            components.append(Component(component.trees, component.share * scale))
    new_share = 1.0 - sum(component.share for component in components)
    if new_share > 0.0:
        ratio = new_share / step if step else 0.0
        offsets = _offsets(calibration, classes)
        for number, tree in enumerate(new_trees):
            shift = ratio * step * offsets[number] if number < outputs else 0.0
            blocks.append(_scaled(tree, ratio * step * calibration.scale, shift))
        components.append(Component(len(new_trees), new_share))
    return LightGBMProposer.from_text(joined(header, blocks), classes, tuple(components))


def _kept(components: Sequence[Component], step: float) -> tuple[list[bool], float]:
    """Which parts of the incumbent stay, and what their leaves are multiplied by."""
    shares = [component.share * (1.0 - step) for component in components]
    kept = [share >= LEAST_SHARE for share in shares]
    for position in range(len(shares)):
        if sum(kept) >= MOST_COMPONENTS:
            kept[position] = False
    left = sum(share for share, keep in zip(shares, kept, strict=True) if keep)
    if not left:
        return kept, 0.0
    # What is left out is given to those that stay: they come as near as they can to what was meant.
    return kept, (1.0 - step) * sum(shares) / left


def _offsets(calibration: Calibration, classes: int) -> list[float]:
    """Per output of the model: with two classes there is one, the log-odds of the second."""
    offsets = calibration.offsets
    return [offsets[1] - offsets[0]] if classes == 2 else list(offsets)


def _scaled(tree: str, factor: float, shift: float = 0.0) -> str:
    lines = []
    for line in tree.splitlines():
        name, _, values = line.partition("=")
        if name in SCALED and values:
            numbers = [float(value) * factor + shift for value in values.split(" ")]
            line = f"{name}={' '.join(repr(number) for number in numbers)}"
        lines.append(line)
    return "\n".join(lines)
