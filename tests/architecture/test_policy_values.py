"""Every value of the policy is live: a test shows that changing it alone changes what the system does."""

from __future__ import annotations

import ast

import pytest

from dissonance.contracts.policy import Policy
from support.source import ROOT, tree

TESTED = ROOT / "tests" / "unit" / "policy_values"


def names_of_tests() -> list[str]:
    return [
        node.name
        for path in sorted(TESTED.glob("test_*.py"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@pytest.mark.parametrize("value", Policy.__struct_fields__)
def test_value_of_the_policy_has_a_test_of_its_own(value: str) -> None:
    longer = {f"test_{other.lower()}_" for other in Policy.__struct_fields__ if other != value}
    start = f"test_{value.lower()}_"
    own = [
        name
        for name in names_of_tests()
        if name.startswith(start) and not any(name.startswith(other) and len(other) > len(start) for other in longer)
    ]
    assert own, f"write {start}... in tests/unit/policy_values"
