"""Is a LightGBM text sound? LightGBM itself believes it: an index that points outside of a tree is followed, and a
size that is not right ends the process (its parser is C++, and throws where nothing catches).

What is checked is what makes it safe to read and to answer by: the numbers of leaves, splits and categories are those
that are there, every index points inside, and the nodes of a tree make one tree. What the trees say is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dissonance.errors import ModelRefused
from dissonance.science.tree_text import joined, parts

MOST_OUTPUTS = 100
MOST_LEAVES = 131_072
"""LightGBM's own limit of a tree (docs, Parameters, `num_leaves`)."""

OF_SPLITS = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
             "internal_value", "internal_weight", "internal_count")  # fmt: skip
OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
OF_CATEGORIES = ("cat_boundaries", "cat_threshold")
NEEDED = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_value")
ONE_VALUE = ("num_leaves", "num_cat", "is_linear", "shrinkage")
CATEGORICAL = 1
"""Bit of `decision_type`: the split goes by a set of categories, which `threshold` numbers."""

_INTEGER = re.compile(r"-?[0-9]{1,10}")

Integers = NDArray[np.int64]


def sound_text(text: str) -> str:
    """The text without what LightGBM does not need to answer, sizes and parameters among it. Raises `ModelRefused`."""
    header, blocks = parts(text)
    columns = _check_header(_lines(header, "the header"))
    if not blocks:
        raise _unsound("it has no tree")
    for number, block in enumerate(blocks):
        _check_tree(_lines(block, f"tree {number}"), columns, f"tree {number}")
    return joined(header, blocks)


def _check_header(header: Mapping[str, str]) -> int:
    """How many columns it takes."""
    for name in ("num_class", "num_tree_per_iteration"):
        if not 1 <= _integer(header.get(name, ""), name) <= MOST_OUTPUTS:
            raise _unsound(f"its {name} is not between 1 and {MOST_OUTPUTS}")
    columns = _integer(header.get("max_feature_idx", ""), "max_feature_idx") + 1
    for name in ("feature_names", "feature_infos"):
        if len(header.get(name, "").split()) != columns:
            raise _unsound(f"it has not {columns} {name}")
    return columns


def _check_tree(tree: Mapping[str, str], columns: int, where: str) -> None:
    if unknown := tree.keys() - {*OF_SPLITS, *OF_LEAVES, *OF_CATEGORIES, *ONE_VALUE}:
        raise _unsound(f"{where} has {min(unknown)[:40]!r}, which is not read")
    if missing := set(NEEDED) - tree.keys():
        raise _unsound(f"{where} has no {min(missing)}")
    leaves, categories = (_integer(tree.get(name, ""), f"{name} of {where}") for name in ("num_leaves", "num_cat"))
    if not 1 <= leaves <= MOST_LEAVES or not 0 <= categories < leaves:
        raise _unsound(f"{where} has {leaves} leaves and {categories} splits by category")
    if tree.get("is_linear", "0") != "0":
        raise _unsound(f"{where} has lines in its leaves, which are not read")
    for names, size in ((OF_SPLITS, leaves - 1), (OF_LEAVES, leaves)):
        for name in names:
            found = len(_numbers(tree.get(name, ""), f"{name} of {where}"))
            if found != size and (found or name in NEEDED):  # a tree of one leaf has no weights
                raise _unsound(f"{where} has not {size} of {name}")
    if leaves > 1:
        _check_splits(tree, columns, categories, where)
        _check_shape(_indices(tree, "left_child", where), _indices(tree, "right_child", where), where)


def _check_splits(tree: Mapping[str, str], columns: int, categories: int, where: str) -> None:
    features = _indices(tree, "split_feature", where)
    if ((features < 0) | (features >= columns)).any():
        raise _unsound(f"{where} splits by a column that is not there")
    by_category = (_indices(tree, "decision_type", where) & CATEGORICAL).astype(bool)
    if by_category.any() != (categories > 0):
        raise _unsound(f"{where} says {categories} splits by category")
    if not categories:
        return
    sets = _numbers(tree["threshold"], where)[by_category]
    bounds, words = (_indices(tree, name, where) for name in OF_CATEGORIES)
    if len(bounds) != categories + 1 or bounds[0] or (np.diff(bounds) < 0).any() or bounds[-1] != len(words):
        raise _unsound(f"{where} has sets of categories that overlap")
    if not ((sets >= 0) & (sets < categories) & (sets == np.floor(sets))).all():
        raise _unsound(f"{where} splits by a set of categories that is not there")


def _check_shape(left: Integers, right: Integers, where: str) -> None:
    """Node i has the children `left[i]` and `right[i]`; -1 - j is leaf j. A split comes after the one above it."""
    splits = len(left)
    children = np.concatenate([left, right])
    above = np.concatenate([np.arange(splits), np.arange(splits)])
    inner = children >= 0
    once = np.array_equal(np.sort(children[inner]), np.arange(1, splits))
    if not once or (children[inner] <= above[inner]).any():
        raise _unsound(f"the splits of {where} make no tree")
    if not np.array_equal(np.sort(-1 - children[~inner]), np.arange(splits + 1)):
        raise _unsound(f"the leaves of {where} are not each reached once")


def _lines(block: str, where: str) -> dict[str, str]:
    """`name=value` by name; the header's first word has no value."""
    found: dict[str, str] = {}
    for line in block.splitlines():
        name, _, value = line.partition("=")
        if name in found:
            raise _unsound(f"{where} says {name[:40]!r} twice")
        found[name] = value
    found.pop("", None)
    return found


def _integer(text: str, what: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise _unsound(f"{what} is no whole number")
    return int(text)


def _indices(tree: Mapping[str, str], name: str, where: str) -> Integers:
    words = tree.get(name, "").split()
    if not all(map(_INTEGER.fullmatch, words)):
        raise _unsound(f"{name} of {where} is not of whole numbers")
    return np.array([int(word) for word in words], dtype=np.int64)


def _numbers(text: str, what: str) -> NDArray[np.float64]:
    try:
        return np.array([float(word) for word in text.split()])
    except ValueError as error:
        raise _unsound(f"{what} is not of numbers") from error


def _unsound(what: str) -> ModelRefused:
    return ModelRefused(
        f"the model was refused: its text is not sound: {what}",
        where="LightGBM file",
        fix="save it with Booster.save_model",
    )
