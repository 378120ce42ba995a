"""From one version of a policy to the next, and what lies between two. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import asdict, fields

from dissonance.contracts.policy import Policy
from dissonance.errors import PolicyInvalid

COUNTED = "version"
"""Counts up by itself."""

Value = float | int | str
"""What a value of a policy may be given as; text is read as the value's own type."""


class Difference(NamedTuple):
    """One value in two versions of a policy."""

    name: str
    before: Value
    after: Value


def changed(policy: Policy, changes: Mapping[str, Value]) -> Policy:
    """The next version, with these values. Raises `PolicyInvalid` as `with_values`, and when nothing would change.

    >>> changed(Policy(), {"KL_eps": "0.05"}).version
    2
    """
    after = with_values(policy, changes)
    if after == policy:
        raise PolicyInvalid(
            "nothing would change", where="policy", fix="give a value that differs: dissonance policy get TASK"
        )
    return msgspec.structs.replace(after, version=policy.version + 1)


def with_values(policy: Policy, values: Mapping[str, Value]) -> Policy:
    """The same version with these values. Raises `PolicyInvalid` for an unknown name, a value of another type or out
    of range.

    A `lambda_max` below the weight in force takes that down with it.

    >>> with_values(Policy(), {"KL_eps": "0.05"}).KL_eps
    0.05
    """
    types = {field.name: field.type for field in fields(Policy)}
    read = {name: _read(name, value, types) for name, value in values.items()}
    if "lambda_max" in read and "lambda_in_force" not in read:
        read["lambda_in_force"] = min(policy.lambda_in_force, read["lambda_max"])
    return msgspec.structs.replace(policy, **read)


def differences(before: Policy, after: Policy) -> list[Difference]:
    """Values that differ, in the order of the policy, without its version.

    >>> differences(Policy(), Policy(KL_eps=0.1))
    [Difference(name='KL_eps', before=0.02, after=0.1)]
    """
    old, new = asdict(before), asdict(after)
    return [Difference(name, old[name], new[name]) for name in old if name != COUNTED and old[name] != new[name]]


def _read(name: str, value: Value, types: Mapping[str, Any]) -> Any:
    if name == COUNTED or name not in types:
        near = difflib.get_close_matches(name, types, n=1)
        raise PolicyInvalid(
            "the version counts up by itself" if name == COUNTED else f"a policy has no '{name}'",
            where=f"policy.{name}",
            fix="leave it out"
            if name == COUNTED
            else f"did you mean {near[0]}?"
            if near
            else f"use {', '.join(each for each in types if each != COUNTED)}",
        )
    try:
        return msgspec.convert(value, types[name], strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise PolicyInvalid(
            f"'{value}' is no value of {name}: {error}", where=f"policy.{name}", fix="see docs/policy.md"
        ) from error
