"""A LightGBM model with its last feature fixed at a value: exact, and a model of one feature less.

At every split on that feature the side the value goes to takes the split's place. So a model that was taught which rows
are new can be served as the model of new rows, without anybody having to say so.
"""

from __future__ import annotations

from typing import NamedTuple

from dissonance.errors import InputError
from dissonance.science.proposer import LightGBMProposer
from dissonance.science.tree_text import joined, parts

OF_SPLITS = (
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "internal_value",
    "internal_weight",
    "internal_count",
)
OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
IS_CATEGORY = 1  # bit of `decision_type`
OF_FEATURES = ("feature_names", "feature_infos", "monotone_constraints", "feature_contri")


def fix_last_feature(model: LightGBMProposer, value: float) -> LightGBMProposer:
    """What `model` answers of (n, d) features with `value`, a number, in its last column, as a model of (n, d - 1).

    Raises `InputError` when the last feature is a category.
    """
    header, trees = parts(model.text)
    fields = _fields(header)
    last = int(fields["max_feature_idx"])
    fields["max_feature_idx"] = str(last - 1)
    for name in OF_FEATURES:
        if name in fields:
            fields[name] = " ".join(fields[name].split(" ")[:last])
    blocks = [_written(_fixed(_fields(tree), last, value)) for tree in trees]
    return LightGBMProposer.from_text(joined(_written(fields), blocks), model.classes_count, model.components)


def _fields(text: str) -> dict[str, str]:
    """Lines `name=value` in order; the first line of a model, without a value, is kept as it is."""
    return {name: value for name, _, value in (line.partition("=") for line in text.splitlines())}


def _written(fields: dict[str, str]) -> str:
    return "\n".join(name if name == "tree" else f"{name}={value}" for name, value in fields.items())


class _Kept(NamedTuple):
    """What stays of a tree, by its old numbers, in the order of the new ones; children by their new numbers."""

    splits: list[int]
    leaves: list[int]
    left: list[int]
    right: list[int]


def _fixed(tree: dict[str, str], feature: int, value: float) -> dict[str, str]:
    features = [int(each) for each in tree["split_feature"].split()]
    if feature not in features:
        return tree
    kept = _Kept([], [], [], [])
    _walk(tree, features, feature, value, kept)
    fixed = dict(tree)
    for names, positions in ((OF_SPLITS, kept.splits), (OF_LEAVES, kept.leaves)):
        for name in names:
            values = tree[name].split(" ")
            fixed[name] = " ".join(values[position] for position in positions)
    fixed["left_child"], fixed["right_child"] = (" ".join(map(str, side)) for side in (kept.left, kept.right))
    fixed["num_leaves"] = str(len(kept.leaves))
    return fixed


def _walk(tree: dict[str, str], features: list[int], feature: int, value: float, kept: _Kept) -> None:
    """From the root down, each split before its children, as LightGBM numbers them; leaves are -1, -2, ..."""
    left, right = ([int(each) for each in tree[side].split()] for side in ("left_child", "right_child"))
    thresholds = [float(each) for each in tree["threshold"].split()]
    kinds = [int(each) for each in tree["decision_type"].split()]

    def place(node: int) -> int:
        while node >= 0 and features[node] == feature:
            if kinds[node] & IS_CATEGORY:
                raise InputError("a category cannot be fixed", where="last feature", fix="fix a number")
            node = left[node] if value <= thresholds[node] else right[node]
        if node < 0:
            kept.leaves.append(-node - 1)
            return -len(kept.leaves)
        number = len(kept.splits)
        kept.splits.append(node)
        kept.left.append(0)
        kept.right.append(0)
        kept.left[number] = place(left[node])
        kept.right[number] = place(right[node])
        return number

    place(0)
