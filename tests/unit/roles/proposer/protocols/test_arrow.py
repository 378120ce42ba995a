"""`predict` in Arrow, on doubles: the same answers as in JSON, in columns."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest

from dissonance.roles.proposer.protocols.arrow import probability_names
from dissonance.web.arrow_bodies import ARROW
from support.protocols import JSON, ask, stored, stream_of, table_of, told
from support.walk import TASK, Walk, row

PREDICT = "/v1/tasks/toy/predict"
IN, OUT = {"content-type": ARROW}, {"accept": ARROW}
TABLE = pa.table({"x": [0.9, 0.2], "colour": pa.array(["red", None]).dictionary_encode(), "person": ["p1", "p2"]})


def test_a_table_is_answered_by_a_table_and_recorded() -> None:
    async def story(walk: Walk) -> None:
        answered = table_of(await ask(walk, PREDICT, stream_of(TABLE), {**IN, **OUT}))
        assert answered.column_names == ["prediction_id", "answer", "probability_no", "probability_yes"]
        assert answered["answer"].to_pylist() == ["yes", "no"]
        assert answered["probability_yes"].to_pylist() == pytest.approx([0.9, 0.2])
        assert answered.schema.metadata[b"model_version"] == b"1"
        assert answered.schema.metadata[b"classes"] == b'["no","yes"]'
        assert await stored(walk) == 2

    told(story)


def test_arrow_goes_in_or_out_alone_too() -> None:
    async def story(walk: Walk) -> None:
        in_json = (await ask(walk, PREDICT, stream_of(TABLE), {**IN, "accept": "*/*"})).json()
        assert [prediction["class"] for prediction in in_json["predictions"]] == ["yes", "no"]
        out = table_of(await ask(walk, PREDICT, {"rows": [row(0.9)]}, {**JSON, "accept": f"{ARROW};q=1, */*"}))
        assert out["answer"].to_pylist() == ["yes"]

    told(story)


def test_doubt_and_dissonance_are_columns_where_they_are_asked_for() -> None:
    async def story(walk: Walk) -> None:
        out = table_of(await ask(walk, f"{PREDICT}?contradict=true", stream_of(TABLE), {**IN, **OUT}))
        assert out["dissonance"].to_pylist() == pytest.approx([0.05, 0.05])
        assert out["doubt"].to_pylist() == pytest.approx([0.15, 0.25])

    told(story)


@pytest.mark.parametrize(
    ("table", "status", "where"),
    [
        (TABLE.append_column("more", TABLE["x"]), 422, "rows[0].more"),
        (TABLE.set_column(0, "x", pa.array([0.1, None])), 422, "rows[1].x"),
        (TABLE.drop_columns(["person"]), 422, "rows[0].person"),
        (TABLE.slice(0, 0), 400, "rows"),
        (pa.concat_tables([TABLE] * 26), 413, "rows"),
    ],
)
def test_what_cannot_be_answered_is_refused_whole(table: pa.Table, status: int, where: str) -> None:
    async def story(walk: Walk) -> None:
        reply = await ask(walk, PREDICT, stream_of(table), {**IN, **OUT})
        assert (reply.status, reply.json()["where"]) == (status, where)
        assert await stored(walk) == 0

    told(story)


def test_what_is_no_stream_is_refused_after_the_caller_was_admitted() -> None:
    async def story(walk: Walk) -> None:
        assert (await ask(walk, PREDICT, b"nonsense", IN)).status == 400
        assert (await ask(walk, PREDICT, b"nonsense", {**IN, "content-encoding": "zstd"})).status == 415
        refused = await ask(walk, PREDICT, b"nonsense", IN, grant="")
        assert (refused.status, refused.chunks_read) == (401, 0)

    told(story)


def test_a_repeated_key_gets_the_answer_again() -> None:
    async def story(walk: Walk) -> None:
        keyed = {**IN, **OUT, "idempotency-key": "once"}
        first, again = [table_of(await ask(walk, PREDICT, stream_of(TABLE), keyed)) for _ in range(2)]
        assert again.equals(first)
        assert (await ask(walk, PREDICT, stream_of(TABLE.slice(0, 1)), keyed)).status == 409
        assert await stored(walk) == 2

    told(story)


def test_classes_that_look_alike_have_columns_of_their_own() -> None:
    assert probability_names(msgspec.structs.replace(TASK, classes=(1, 2))) == ["probability_1", "probability_2"]
    mixed = msgspec.structs.replace(TASK, classes=(1, "1"))
    assert probability_names(mixed) == ["probability_1", 'probability_"1"']
