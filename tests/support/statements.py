"""Which named statements each role executes, read from the sources: the methods of the store that it calls.

A call counts when what it is called on is named `store` or `keys`, as everywhere in roles and pipeline. Of a role every
module counts; of the pipeline, and of what roles share, what can be reached by name from what the role is given.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from dissonance.adapters.postgres.queries import load_queries
from support.source import PACKAGE, tree

ADAPTER = PACKAGE / "adapters" / "postgres"

Definition = tuple[Path, str]
"""A function or class at the top of a module."""

EVERY: tuple[Definition, ...] = (
    (PACKAGE / "roles" / "catalogue.py", "Catalogue"),
    (PACKAGE / "roles" / "credential_following.py", "CredentialFollowing"),
    (PACKAGE / "adapters" / "spool" / "accesses.py", "SpoolingAccesses"),
    (PACKAGE / "pipeline" / "subjects" / "again.py", "require_none_forgotten"),
)
"""What `bootstrap_roles` and `bootstrap_databases` have every role do."""

GIVEN: Mapping[str, tuple[Definition, ...]] = {
    "proposer": (
        (PACKAGE / "bootstrap_issuing.py", "issuing_on"),
        (PACKAGE / "adapters" / "authlib" / "records.py", "Records"),
        (PACKAGE / "web" / "password_check.py", "PasswordCheck"),
    ),
    "gate": (
        (PACKAGE / "pipeline" / "judging.py", "judge"),
        (PACKAGE / "pipeline" / "rollouts.py", "Rollouts"),
        (PACKAGE / "pipeline" / "anchoring.py", "ChainAnchoring"),
    ),
    "learner": ((PACKAGE / "pipeline" / "update.py", "train"),),
    "evaluator": ((PACKAGE / "pipeline" / "estimates.py", "PipelineEstimates"),),
}
"""What `bootstrap_roles` gives to single roles, of what it can; the proposer has the local issuer beside it."""

READY = "ready"
KEYS_FILE = "keys.py"
KEY_VERSIONS_FILE = "key_versions.py"
KEY_RING = "keyring.py"  # what it calls its store are the keys
OF_THE_OWNER = frozenset({"first_key_check", "first_key_encryption_key", "hold_back_parts", "part_ids"})
"""Executed in a database that nobody used yet, which is the owner's."""


def of_role(role: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names of statements on the experience store and on the keys database."""
    own = sorted((PACKAGE / "roles" / role).rglob("*.py"))
    reached = _reached([*EVERY, *GIVEN.get(role, ()), *(each for file in own for each in _imported(file))])
    nodes = [_definitions(file)[name] for file, name in reached]
    plain = [tree(file) for file in own if file.name != KEY_RING]
    rings = [tree(file) for file in own if file.name == KEY_RING]
    store = _called([*plain, *nodes], "store") | {READY}
    keys = _called([*plain, *rings, *nodes], "keys") | _called(rings, "store") | {READY}
    return _statements(store, of_keys=False), _statements(keys, of_keys=True) - OF_THE_OWNER


def _reached(start: Iterable[Definition]) -> set[Definition]:
    """All definitions of roles' shared modules and of the pipeline that are named from these on."""
    waiting, found = list(start), set[Definition]()
    while waiting:
        definition = waiting.pop()
        if definition in found:
            continue
        found.add(definition)
        file, name = definition
        there = _definitions(file)
        named = {node.id for node in ast.walk(there[name]) if isinstance(node, ast.Name)}
        waiting += [(file, each) for each in named & there.keys()]
        waiting += [each for each in _imported(file) if each[1] in named]
    return found


@cache
def _imported(file: Path) -> tuple[Definition, ...]:
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[Definition]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and node.module:
            source = PACKAGE.parent / f"{node.module.replace('.', '/')}.py"
            if source.is_file() and (source.is_relative_to(PACKAGE / "pipeline") or source.parent == PACKAGE / "roles"):
                yield from ((source, name.name) for name in node.names if name.name in _definitions(source))


@cache
def _definitions(file: Path) -> dict[str, ast.stmt]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name: node for node in tree(file).body if isinstance(node, kinds)}


def _called(nodes: Iterable[ast.AST], on: str) -> set[str]:
    attributes = [each for node in nodes for each in ast.walk(node) if isinstance(each, ast.Attribute)]
    return {each.attr for each in attributes if ast.unparse(each.value).rpartition(".")[2].lstrip("_") == on}


def _statements(methods: set[str], *, of_keys: bool) -> frozenset[str]:
    known = load_queries("keys.sql" if of_keys else "queries.sql")
    inside = _methods(of_keys)
    found: set[str] = set()
    waiting, seen = list(methods), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in inside:
            continue
        seen.add(name)
        words, calls = inside[name]
        found |= words & known.keys()
        waiting += calls
    return frozenset(found)


@cache
def _methods(of_keys: bool) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """By name of a function: the texts in it, and what it calls by name or on itself."""
    found: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for file in ADAPTER.glob("*.py"):
        if file.name != "version.py" and (file.name in (KEYS_FILE, KEY_VERSIONS_FILE)) != of_keys:
            continue
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = list(ast.walk(node))
                texts = {each.value for each in inner if isinstance(each, ast.Constant) and isinstance(each.value, str)}
                names = {each.attr for each in inner if isinstance(each, ast.Attribute) and _is_own(each)}
                calls = [each.func for each in inner if isinstance(each, ast.Call)]
                names |= {each.id for each in calls if isinstance(each, ast.Name)}
                before = found.get(node.name, (frozenset(), frozenset()))
                found[node.name] = (before[0] | texts, before[1] | names)
    return found


def _is_own(node: ast.Attribute) -> bool:
    """On the object itself, or on the versions of keys that it holds."""
    return ast.unparse(node.value) in ("self", "self.versions")
