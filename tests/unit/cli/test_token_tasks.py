"""A credential is for tasks that there are."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.cli.token_tasks import named_tasks
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
