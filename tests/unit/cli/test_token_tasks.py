"""A credential is for tasks that there are."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.cli.token_tasks import named_tasks, warning_of
from dissonance.errors import UnknownTask
from support.workshop import Workshop, small_task


@pytest.fixture
def work() -> Workshop:
    return small_task().work


@pytest.mark.parametrize("names", [None, [], ["*"]])
def test_for_every_task_nothing_has_to_be_there(work: Workshop, names: list[str] | None) -> None:
    assert asyncio.run(named_tasks(work.store, names)) == ["*"]


def test_a_misspelt_task_is_refused_before_a_credential_for_it_is_made(work: Workshop) -> None:
    assert asyncio.run(named_tasks(work.store, ["small"])) == ["small"]
    with pytest.raises(UnknownTask, match="'smal'"):
        asyncio.run(named_tasks(work.store, ["small", "smal"]))


@pytest.mark.parametrize("names", [["*"], ["small"], ["small", "*"]])
def test_nothing_is_said_of_tasks_that_there_are(names: list[str]) -> None:
    assert warning_of(names, ["small"]) == ""


def test_a_token_for_a_task_that_is_not_made_yet_is_made_with_a_warning() -> None:
    said = "yet, and until then the token opens nothing there"
    assert warning_of(["later"], []) == f"no task is named 'later' {said}"
    assert warning_of(["smal", "later"], ["small"]) == (
        f"no task is named 'smal' or 'later' {said} (did you mean 'small'?)"
    )
