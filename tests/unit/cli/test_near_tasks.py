"""A misspelt task is told with the name that may be meant, to whoever may list them all."""

from __future__ import annotations

import asyncio

import pytest

from dissonance.cli.near_tasks import suggest
from dissonance.errors import UnknownTask
from support.workshop import Workshop, small_task

LIST_THEM = "list them: dissonance task list"


@pytest.fixture
def work() -> Workshop:
    return small_task().work


async def asked_for(work: Workshop, name: str) -> UnknownTask:
    with pytest.raises(UnknownTask) as caught:
        await work.store.by_name(name)
    await suggest(work.store, caught.value)
    return caught.value


@pytest.mark.parametrize("name", ["smal", "smalll", "Small", "samll"])
def test_a_name_that_is_close_is_told(work: Workshop, name: str) -> None:
    unknown = asyncio.run(asked_for(work, name))
    assert unknown.fix == f"did you mean 'small'? Else {LIST_THEM}"
    assert str(unknown).endswith(unknown.fix)


def test_where_none_is_close_none_is_told(work: Workshop) -> None:
    assert asyncio.run(asked_for(work, "census")).fix == LIST_THEM


def test_where_tasks_cannot_be_asked_for_the_error_stays_what_it_was(work: Workshop) -> None:
    unknown = UnknownTask("no task is named 'smal'", where="task", fix=LIST_THEM, name="smal")
    work.store.available = False
    asyncio.run(suggest(work.store, unknown))
    assert unknown.fix == LIST_THEM


def test_the_store_itself_names_no_other_task(work: Workshop) -> None:
    with pytest.raises(UnknownTask) as caught:
        asyncio.run(work.store.by_name("smal"))
    assert (caught.value.name, caught.value.fix) == ("smal", LIST_THEM)
