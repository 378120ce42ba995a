"""NVIDIA's client, in an environment of its own: asks a running system over HTTP and gRPC, and prints what it was told.

One argument, JSON: `http` and `grpc` (host:port), `authority` (path of a CA certificate), `token`, `task`, and
`columns`: name to datatype and values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, triton_to_np_dtype


def tensors(library: Any, columns: dict[str, tuple[str, list[Any]]], **options: Any) -> list[Any]:
    made = []
    for name, (datatype, values) in columns.items():
        array = np.array(values, dtype=triton_to_np_dtype(datatype)).reshape(-1, 1)
        tensor = library.InferInput(name, list(array.shape), datatype)
        made.append(tensor.set_data_from_numpy(array, **options))
    return made


def answer(result: Any, response: dict[str, Any]) -> dict[str, Any]:
    return {
        "answer": result.as_numpy("answer").tolist(),
        "probabilities": result.as_numpy("probabilities").tolist(),
        "prediction_id": [
            text.decode() if isinstance(text, bytes) else text for text in result.as_numpy("prediction_id")
        ],
        "version": response["model_version"],
        "id": response["id"],
    }


def refusal(ask: Callable[[], Any]) -> list[str]:
    try:
        ask()
    except InferenceServerException as error:
        return [str(error.status()), error.message()]
    raise AssertionError("it was answered")


def over_http(asked: dict[str, Any]) -> dict[str, Any]:
    """The client writes into the headers that it is given: each call gets its own."""
    library, task, columns = tritonclient.http, asked["task"], asked["columns"]
    access = {"Authorization": f"Bearer {asked['token']}"}
    trust = {"ca_certs": asked["authority"]}
    with library.InferenceServerClient(asked["http"], ssl=True, ssl_options=trust) as client:
        metadata = client.get_model_metadata(task, headers=dict(access))
        version = metadata["versions"][0]
        binary = client.infer(task, tensors(library, columns), request_id="one", headers=dict(access))
        outputs = [library.InferRequestedOutput(name, binary_data=False) for name in ("answer", "probabilities")]
        outputs.append(library.InferRequestedOutput("prediction_id", binary_data=True))
        mixed = client.infer(
            task,
            tensors(library, columns, binary_data=False),
            model_version=version,
            outputs=outputs,
            request_id="two",
            headers=dict(access),
        )
        wrong = {**columns, "SEX": ("INT64", [3] * len(columns["SEX"][1]))}
        return {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready(task, headers=dict(access)),
            "other_version_ready": client.is_model_ready(task, "99", headers=dict(access)),
            "server": client.get_server_metadata(headers=dict(access)),
            "metadata": metadata,
            "answers": [answer(result, result.get_response()) for result in (binary, mixed)],
            "other_version": refusal(lambda: client.infer(task, tensors(library, columns), "99", headers=dict(access))),
            "unseen": refusal(lambda: client.infer(task, tensors(library, wrong), headers=dict(access))),
            "stranger": refusal(lambda: client.infer(task, tensors(library, columns))),
            "no_task": refusal(lambda: client.get_model_metadata("elsewhere", headers=dict(access))),
        }


def over_grpc(asked: dict[str, Any]) -> dict[str, Any]:
    library, task, columns = tritonclient.grpc, asked["task"], asked["columns"]
    access = {"authorization": f"Bearer {asked['token']}"}
    with library.InferenceServerClient(asked["grpc"], ssl=True, root_certificates=asked["authority"]) as client:
        metadata = client.get_model_metadata(task, headers=dict(access), as_json=True)
        result = client.infer(
            task, tensors(library, columns), metadata["versions"][0], request_id="three", headers=dict(access)
        )
        wrong = {**columns, "SEX": ("INT64", [3] * len(columns["SEX"][1]))}
        return {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready(task, headers=dict(access)),
            "other_version_ready": client.is_model_ready(task, "99", headers=dict(access)),
            "server": client.get_server_metadata(headers=dict(access), as_json=True),
            "metadata": metadata,
            "answers": [answer(result, result.get_response(as_json=True))],
            "other_version": refusal(lambda: client.infer(task, tensors(library, columns), "99", headers=dict(access))),
            "unseen": refusal(lambda: client.infer(task, tensors(library, wrong), headers=dict(access))),
            "stranger": refusal(lambda: client.infer(task, tensors(library, columns))),
            "no_task": refusal(lambda: client.get_model_metadata("elsewhere", headers=dict(access))),
            "unserved": refusal(lambda: client.get_inference_statistics(task, headers=dict(access))),
        }


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps({"http": over_http(arguments), "grpc": over_grpc(arguments)}) + "\n")
