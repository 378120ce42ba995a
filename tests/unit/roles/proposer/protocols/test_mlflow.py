"""MLflow's scoring protocol on doubles: every form, and which task is meant."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dissonance import __version__
from support.protocols import JSON, ask, look, stored, told
from support.walk import POLICY, TASK, Walk

INVOCATIONS = "/invocations"
RECORD = {"x": 0.9, "colour": "red", "person": "p1"}
RECORDS = {"dataframe_records": [RECORD]}
CSV = {"content-type": "text/csv"}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"dataframe_records": [RECORD, {**RECORD, "x": 0.2}]}, JSON),
        ({"dataframe_split": {"columns": list(RECORD), "data": [[0.9, "red", 1], [0.2, None, 2]]}}, JSON),
        (
            b'{"dataframe_split": {"columns": ["x", "colour", "person"], "data": [[0.9, NaN, 1], [0.2, "red", 2]]}}',
            JSON,
        ),
        ({"inputs": {"x": [0.9, 0.2], "colour": ["red", "blue"], "person": [1, 2]}}, JSON),
        ({"instances": [RECORD, {**RECORD, "x": 0.2}]}, {"content-type": "application/json; charset=utf-8"}),
        (b"x,colour,person\n0.9,red,p1\n0.2,,p2\n", CSV),
        (
            "\ufeffx,colour,person,at\n0.9,red,p1,2020-01-01\n0.2,,p2,5\n".encode(),
            {"content-type": "text/csv; charset=utf-8"},
        ),
    ],
)
def test_every_form_is_answered_and_recorded(body: Any, headers: dict[str, str]) -> None:
    async def story(walk: Walk) -> None:
        reply = await ask(walk, INVOCATIONS, body, headers)
        assert reply.status == 200, reply.body
        told_of = reply.json()
        assert told_of["predictions"] == ["yes", "no"]
        assert told_of["probabilities"] == [pytest.approx([0.1, 0.9]), pytest.approx([0.8, 0.2])]
        assert (told_of["classes"], told_of["model_version"]) == (["no", "yes"], 1)
        assert len(set(told_of["prediction_ids"])) == await stored(walk) == 2

    told(story)


def test_rows_by_position_are_answered_where_nobody_has_to_be_named() -> None:
    async def story(walk: Walk) -> None:
        for form in ("instances", "inputs"):
            reply = await ask(walk, INVOCATIONS, {form: [[0.9, "red"], [0.2, None]]})
            assert reply.json()["predictions"] == ["yes", "no"]

    told(story, task=msgspec.structs.replace(TASK, data_subject_column=None))


@pytest.mark.parametrize("path", ["/v1/tasks/toy/invocations", "/serving-endpoints/toy/invocations"])
def test_the_task_may_be_in_the_address(path: str) -> None:
    async def story(walk: Walk) -> None:
        assert (await ask(walk, path, RECORDS, tasks=("toy", "other"))).status == 200
        assert (await ask(walk, path, RECORDS, tasks=("other",))).status == 403
        assert (await ask(walk, path.replace("toy", "none"), RECORDS)).status == 404

    told(story)


def test_the_task_is_the_one_of_the_token_or_the_one_that_is_named_or_the_only_one() -> None:
    async def story(walk: Walk) -> None:
        assert (await ask(walk, INVOCATIONS, RECORDS)).status == 200
        await walk.store.create(msgspec.structs.replace(TASK, task_id="0" * 31 + "2", name="other"), POLICY)
        unnamed = await ask(walk, INVOCATIONS, RECORDS)
        assert (unnamed.status, unnamed.json()["type"]) == (422, "urn:dissonance:problem:task-not-named")
        assert (await ask(walk, INVOCATIONS, RECORDS, tasks=("toy", "other"))).status == 422
        assert (await ask(walk, INVOCATIONS, RECORDS, tasks=("toy",))).status == 200
        assert (await ask(walk, f"{INVOCATIONS}?task=toy", RECORDS)).status == 200
        named = {**JSON, "x-dissonance-task": "toy"}
        assert (await ask(walk, INVOCATIONS, RECORDS, named)).status == 200
        assert (await ask(walk, f"{INVOCATIONS}?task=other", RECORDS, named)).status == 422
        assert (await ask(walk, f"{INVOCATIONS}?task=other", RECORDS, tasks=("toy",))).status == 403
        assert (await ask(walk, f"{INVOCATIONS}?task=none", RECORDS)).status == 404
        assert (await ask(walk, f"{INVOCATIONS}?taks=toy", RECORDS)).status == 422

    told(story)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"nonsense", JSON, 400, "BAD_REQUEST"),
        (b"{NaN", JSON, 400, "BAD_REQUEST"),
        (b"[" * 100_000 + b"NaN", JSON, 400, "BAD_REQUEST"),
        (b'{"dataframe_records": [{"x": NaN, "\\ud800": 1}]}', JSON, 400, "BAD_REQUEST"),
        (b'{"dataframe_records": [{"x": NaN, "colour": "NaN", "person": "p"}]}', JSON, 422, "BAD_REQUEST"),
        (b'NaN "' + b'\\"' * 400_000, JSON, 400, "BAD_REQUEST"),
        (b"[]", JSON, 400, "BAD_REQUEST"),
        ({"rows": [RECORD]}, JSON, 400, "BAD_REQUEST"),
        ({}, JSON, 400, "BAD_REQUEST"),
        ({"dataframe_records": []}, JSON, 400, "BAD_REQUEST"),
        (b'{"dataframe_records": [{"x": Infinity, "colour": NaN, "person": "p"}]}', JSON, 422, "BAD_REQUEST"),
        ({"dataframe_records": [{**RECORD, "colour": "green"}]}, JSON, 422, "BAD_REQUEST"),
        ({"dataframe_records": [RECORD], "params": {"t": 1}}, JSON, 422, "BAD_REQUEST"),
        ({"dataframe_records": [RECORD] * 51}, JSON, 413, "BAD_REQUEST"),
        (b"x,colour,person\n0.9,red,\n", CSV, 422, "BAD_REQUEST"),
        (b"x,colour,person\n\xff,red,p\n", CSV, 400, "BAD_REQUEST"),
        (b"x", {"content-type": "application/vnd.apache.parquet"}, 415, "BAD_REQUEST"),
        (b"x", {"content-type": "text/csv; charset=latin-1"}, 415, "BAD_REQUEST"),
        (b"x", {**JSON, "content-encoding": "gzip"}, 415, "BAD_REQUEST"),
    ],
)
def test_what_cannot_be_answered_is_said_in_the_words_of_the_protocol(
    body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    async def story(walk: Walk) -> None:
        reply = await ask(walk, INVOCATIONS, body, headers)
        problem = reply.json()
        assert (reply.status, problem["error_code"]) == (status, code)
        assert problem["message"].startswith(problem["detail"])
        assert await stored(walk) == 0

    told(story)


def test_who_may_not_is_told_so_before_the_body_is_read() -> None:
    async def story(walk: Walk) -> None:
        for grant, status, code in (("", 401, "UNAUTHENTICATED"), ("viewer", 403, "PERMISSION_DENIED")):
            reply = await ask(walk, INVOCATIONS, b"nonsense", grant=grant)
            assert (reply.status, reply.chunks_read, reply.json()["error_code"]) == (status, 0, code)

    told(story)


def test_a_repeated_key_gets_the_answer_again() -> None:
    async def story(walk: Walk) -> None:
        keyed = {**JSON, "idempotency-key": "once"}
        first, again = [(await ask(walk, INVOCATIONS, RECORDS, keyed)).json() for _ in range(2)]
        assert again == first
        assert (await ask(walk, INVOCATIONS, {"inputs": [RECORD]}, keyed)).json()["error_code"] == "RESOURCE_CONFLICT"
        assert await stored(walk) == 1

    told(story)


def test_health_is_told_to_everybody_and_the_version_to_clients() -> None:
    async def story(walk: Walk) -> None:
        for path in ("/ping", "/health"):
            assert (await look(walk, path, grant="")).json() == {"ready": True}
        assert (await look(walk, "/version", grant="")).status == 401
        assert (await look(walk, "/version")).body.decode() == __version__

    told(story)
