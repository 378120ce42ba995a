"""The Open Inference Protocol over REST, on doubles: what it answers, what it refuses, and in whose words."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest

from dissonance.contracts.schema import Feature, FeatureKind, FeatureSchema
from dissonance.decisions.tensors import tensor_of_bytes
from support.asgi import Reply
from support.protocols import ask, begin_canary, look, stored, tensor, tensors, told
from support.walk import TASK, Walk

INFER = "/v2/models/toy/infer"
LENGTH = "inference-header-content-length"


def outputs(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    return {output["name"]: output for output in reply.json()["outputs"]}


def test_a_task_says_what_it_takes_and_answers() -> None:
    async def story(walk: Walk) -> None:
        for path in ("/v2/models/toy", "/v2/models/toy/versions/1"):
            assert (await look(walk, path)).json() == {
                "name": "toy",
                "versions": ["1"],
                "platform": "dissonance",
                "inputs": [
                    {"name": "x", "datatype": "FP64", "shape": [-1]},
                    {"name": "colour", "datatype": "BYTES", "shape": [-1]},
                    {"name": "person", "datatype": "BYTES", "shape": [-1]},
                    {"name": "at", "datatype": "BYTES", "shape": [-1]},
                ],
                "outputs": [
                    {"name": "answer", "datatype": "BYTES", "shape": [-1]},
                    {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
                    {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]},
                ],
            }
        assert (await look(walk, "/v2")).json()["extensions"] == ["binary_tensor_data"]

    told(story)


def test_liveness_and_readiness_are_told_to_everybody_and_of_a_model_to_clients() -> None:
    async def story(walk: Walk) -> None:
        for path in ("/v2/health/live", "/v2/health/ready"):
            assert (await look(walk, path, grant="")).status == 200
        for path in ("/v2/models/toy/ready", "/v2/models/toy/versions/1/ready"):
            assert (await look(walk, path)).json() == {"name": "toy", "ready": True}
            assert (await look(walk, path, grant="")).status == 401
        assert (await look(walk, "/v2/models/toy/versions/2/ready")).status == 404
        assert (await look(walk, "/v2/models/none/ready")).status == 404

    told(story)


def test_rows_are_answered_and_recorded() -> None:
    async def story(walk: Walk) -> None:
        reply = await ask(walk, INFER, {"id": "mine", "inputs": tensors(0.9, 0.2)})
        told_of = outputs(reply)
        assert told_of["answer"]["data"] == ["yes", "no"]
        assert told_of["probabilities"]["shape"] == [2, 2]
        assert told_of["probabilities"]["data"] == pytest.approx([0.1, 0.9, 0.8, 0.2])
        assert len(set(told_of["prediction_id"]["data"])) == 2
        body = reply.json()
        assert (body["id"], body["model_name"], body["model_version"]) == ("mine", "toy", "1")
        assert msgspec.json.decode(body["parameters"]["classes"]) == ["no", "yes"]
        assert await stored(walk) == 2

    told(story)


def test_a_missing_value_and_a_time_may_be_said() -> None:
    async def story(walk: Walk) -> None:
        inputs = [
            tensor("x", "FP32", 0.5),
            tensor("colour", "BYTES", ""),
            tensor("person", "INT64", 7),
            tensor("at", "FP64", 1_577_836_800),
        ]
        assert (await ask(walk, INFER, {"inputs": inputs})).status == 200
        await walk.pump()
        (experience,) = await walk.store.between(TASK.task_id, 0, 2**60)
        assert experience.event_time_us == 1_577_836_800_000_000

    told(story)


def test_one_matrix_is_enough_where_every_feature_is_a_number() -> None:
    numbers = FeatureSchema((Feature("x", FeatureKind.NUMBER), Feature("n", FeatureKind.INTEGER)))
    task = msgspec.structs.replace(TASK, schema=numbers, data_subject_column=None)

    async def story(walk: Walk) -> None:
        matrix = {"name": "input-0", "datatype": "FP64", "shape": [2, 2], "data": [[0.9, 3], [0.1, 4.0]]}
        assert outputs(await ask(walk, INFER, {"inputs": [matrix]}))["answer"]["data"] == ["yes", "no"]
        matrix["data"] = [[0.9, 3], [0.1, 4.5]]
        refused = await ask(walk, INFER, {"inputs": [matrix]})
        assert (refused.status, refused.json()["where"]) == (422, "rows[1].n")

    told(story, task=task)


def test_only_the_outputs_that_were_asked_for_are_sent_in_that_order() -> None:
    async def story(walk: Walk) -> None:
        asked = {"inputs": tensors(0.9), "outputs": [{"name": "prediction_id"}, {"name": "answer"}]}
        assert list(outputs(await ask(walk, INFER, asked))) == ["prediction_id", "answer"]
        refused = await ask(walk, INFER, {"inputs": tensors(0.9), "outputs": [{"name": "logits"}]})
        assert (refused.status, refused.json()["where"]) == (422, "outputs")
        assert await stored(walk) == 1

    told(story)


def test_binary_tensors_come_and_go_after_the_json() -> None:
    async def story(walk: Walk) -> None:
        binary = struct.pack("<2d", 0.9, 0.2) + b"\x03\x00\x00\x00red" * 2
        inputs = [
            {"name": "x", "datatype": "FP64", "shape": [2, 1], "parameters": {"binary_data_size": 16}},
            {"name": "colour", "datatype": "BYTES", "shape": [2, 1], "parameters": {"binary_data_size": 14}},
            tensor("person", "BYTES", "p1", "p2"),
        ]
        head = msgspec.json.encode({"inputs": inputs, "parameters": {"binary_data_output": True}})
        reply = await ask(walk, INFER, head + binary, {LENGTH: str(len(head))})
        assert reply.headers["content-type"] == "application/octet-stream"
        split = int(reply.headers[LENGTH])
        position, read = split, {}
        for output in msgspec.json.decode(reply.body[:split])["outputs"]:
            end = position + output["parameters"]["binary_data_size"]
            raw = reply.body[position:end]
            read[output["name"]] = tensor_of_bytes("", output["datatype"], output["shape"], raw, "").values
            position = end
        assert position == len(reply.body)
        assert read["answer"] == ["yes", "no"]
        assert read["probabilities"] == pytest.approx([0.1, 0.9, 0.8, 0.2])

    told(story)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", {}),
        (b"nonsense", {}),
        (b'{"inputs": [], "extra": 1}', {}),
        (b'{"inputs": []}', {}),
        (b'{"inputs": []}', {LENGTH: "15"}),
        (b'{"inputs": []}', {LENGTH: "-1"}),
        (b'{"inputs": []}xx', {LENGTH: "14"}),
        ({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1]}]}, {}),
        ({"inputs": [{**tensor("x", "FP64", 1.0), "parameters": {"binary_data_size": 8}}]}, {}),
        ({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}}]}, {}),
        ({"inputs": [tensor("x", "FP64", 1.0), tensor("colour", "BYTES", "red", "red")]}, {}),
    ],
)
def test_what_is_no_request_is_400_in_the_words_of_the_protocol(body: Any, headers: dict[str, str]) -> None:
    async def story(walk: Walk) -> None:
        reply = await ask(walk, INFER, body, headers)
        assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
        problem = reply.json()
        assert problem["error"].startswith(problem["detail"])
        assert problem["where"] in problem["error"]

    told(story)


@pytest.mark.parametrize("where", ["body", "inputs[0]", "outputs[0]"])
def test_a_parameter_that_would_change_the_answer_is_refused_and_a_hint_is_not(where: str) -> None:
    def asked(parameters: dict[str, Any]) -> dict[str, Any]:
        first, *rest = tensors(0.9)
        body: dict[str, Any] = {"inputs": [first, *rest], "outputs": [{"name": "answer"}]}
        place = {"body": body, "inputs[0]": first, "outputs[0]": body["outputs"][0]}[where]
        place["parameters"] = parameters
        return body

    async def story(walk: Walk) -> None:
        refused = await ask(walk, INFER, asked({"classification": 3}))
        assert (refused.status, refused.json()["where"]) == (422, f"{where}, parameters, classification")
        assert (await ask(walk, INFER, asked({"content_type": "np"}))).status == 200

    told(story)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/csv"},
        {"content-encoding": "gzip"},
        {"content-type": "application/vnd.apache.arrow.stream"},
    ],
)
def test_another_media_type_is_415(headers: dict[str, str]) -> None:
    async def story(walk: Walk) -> None:
        assert (await ask(walk, INFER, {"inputs": tensors(0.9)}, headers)).status == 415

    told(story)


def test_rows_are_counted_before_they_are_made() -> None:
    async def story(walk: Walk) -> None:
        reply = await ask(walk, INFER, {"inputs": [tensor("x", "FP64", *[0.5] * 51)]})
        assert (reply.status, reply.json()["type"]) == (413, "urn:dissonance:problem:too-many-rows")

    told(story)


def test_another_version_than_the_one_that_answers_is_refused_and_nothing_is_recorded() -> None:
    async def story(walk: Walk) -> None:
        assert (await ask(walk, "/v2/models/toy/versions/1/infer", {"inputs": tensors(0.9)})).status == 200
        for version in ("2", "0", "latest"):
            reply = await ask(walk, f"/v2/models/toy/versions/{version}/infer", {"inputs": tensors(0.9)})
            assert (reply.status, reply.json()["type"]) == (404, "urn:dissonance:problem:version-not-served")
            assert "version 1 does" in reply.json()["error"]
        assert await stored(walk) == 1

    told(story)


def test_on_a_canary_a_version_answers_the_people_that_fall_to_it_and_refuses_the_others() -> None:
    async def story(walk: Walk) -> None:
        await begin_canary(walk, 0.5)
        assert (await look(walk, "/v2/models/toy")).json()["versions"] == ["1", "2"]
        asked = [(str(number), version) for number in range(16) for version in ("1", "2")]
        answered = []
        for person, version in asked:
            body = {"inputs": tensors(0.9, person=person)}
            reply = await ask(walk, f"/v2/models/toy/versions/{version}/infer", body)
            if reply.status == 200:
                assert reply.json()["model_version"] == version
                answered.append((person, version))
            else:
                assert reply.json()["type"] == "urn:dissonance:problem:version-not-served"
        assert sorted(person for person, _ in answered) == sorted({person for person, _ in asked})
        assert {version for _, version in answered} == {"1", "2"}
        assert await stored(walk) == 16

    told(story)


def test_without_people_no_version_can_be_asked_for_while_a_canary_lasts() -> None:
    async def story(walk: Walk) -> None:
        inputs = tensors(0.9)[:2]
        await begin_canary(walk, 0.5)
        reply = await ask(walk, "/v2/models/toy/versions/1/infer", {"inputs": inputs})
        assert (reply.status, "as it falls 1 or 2" in reply.json()["error"]) == (404, True)
        assert (await ask(walk, INFER, {"inputs": inputs})).status == 200

    told(story, task=msgspec.structs.replace(TASK, data_subject_column=None))


def test_a_repeated_key_gets_the_answer_again_and_another_body_is_a_conflict() -> None:
    async def story(walk: Walk) -> None:
        keyed = {"idempotency-key": "once", "content-type": "application/json"}
        first, again = [outputs(await ask(walk, INFER, {"inputs": tensors(0.9)}, keyed)) for _ in range(2)]
        assert again == first
        conflict = await ask(walk, INFER, {"inputs": tensors(0.8)}, keyed)
        assert (conflict.status, conflict.json()["type"]) == (409, "urn:dissonance:problem:idempotency-conflict")
        assert await stored(walk) == 1

    told(story)


def test_who_may_not_is_told_so_in_the_words_of_the_protocol_before_the_body_is_read() -> None:
    async def story(walk: Walk) -> None:
        for grant, tasks, status in (("", ("*",), 401), ("viewer", ("*",), 403), ("client", ("other",), 403)):
            reply = await ask(walk, INFER, b"nonsense", grant=grant, tasks=tasks)
            assert (reply.status, reply.chunks_read) == (status, 0)
            assert reply.json()["error"]

    told(story)
