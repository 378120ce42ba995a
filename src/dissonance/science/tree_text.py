"""LightGBM's text form of a model (version 4): a header, one block `Tree=i` a tree, then what does not matter for
answers."""

from __future__ import annotations

import re
from collections.abc import Sequence


def parts(text: str) -> tuple[str, list[str]]:
    """Header without the sizes of the trees, and each tree's block without its number."""
    head, *blocks = re.split(r"^Tree=\d+\n", text.split("end of trees")[0], flags=re.MULTILINE)
    header = "\n".join(line for line in head.splitlines() if line and not line.startswith("tree_sizes="))
    return header, [block.strip() for block in blocks]


def joined(header: str, blocks: Sequence[str]) -> str:
    """The text of a model of these trees, numbered from 0."""
    text = "\n\n\n".join([header, *(f"Tree={number}\n{block}" for number, block in enumerate(blocks))])
    return f"{text}\n\n\nend of trees\n"
