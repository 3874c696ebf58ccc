"""Asks a server at ADDRESS as users of tritonclient do and prints what came as JSON.

python -c THIS ADDRESS REFERENCE, where REFERENCE has the inputs and answers of a model's maker.
"""

import json
import sys

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

address, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    reference = json.load(file)
given = reference["inputs"][0]
inputs = np.array(given["data"], dtype=np.float32).reshape(given["shape"])
labels, probabilities = (
    np.array(output["data"]).reshape(output["shape"]) for output in reference["outputs"]
)
client = http.InferenceServerClient(url=address)


def tensor(rows, binary=False):
    made = http.InferInput("X", list(rows.shape), "FP32")
    made.set_data_from_numpy(rows, binary_data=binary)
    return [made]


def wanted(*names):
    return [http.InferRequestedOutput(name, binary_data=False) for name in names]


def infer(rows, **options):
    options.setdefault("outputs", wanted("label", "probabilities"))
    return client.infer("rain", tensor(rows), **options)


def difference(result, begin=0):
    found = result.as_numpy("probabilities")
    return float(np.abs(found - probabilities[begin : begin + len(found)]).max())


def error(call):
    try:
        call()
    except InferenceServerException as refused:
        return {"status": refused.status(), "message": refused.message()}
    return None


named = infer(inputs, request_id="day-17")
pinned = infer(inputs, model_version="1")
alone = [difference(infer(inputs[row : row + 1]), row) for row in range(10)]
# Without outputs the client asks for all of them in binary form; JSON is an answer all the same.
unnamed = infer(inputs, outputs=None)
print(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": [
                client.is_server_ready(),
                client.is_model_ready("rain"),
                client.is_model_ready("rain", "1"),
                client.is_model_ready("rain", "9"),
                client.is_model_ready("snow"),
            ],
            "server": client.get_server_metadata(),
            "metadata": client.get_model_metadata("rain"),
            "rows": len(inputs),
            "wrong_labels": int((named.as_numpy("label") != labels).sum()),
            "differences": {
                "by_name": difference(named),
                "by_version": difference(pinned),
                "one_by_one": max(alone),
                "outputs_not_named": difference(unnamed),
            },
            "id": named.get_response()["id"],
            "versions": [
                named.get_response()["model_version"],
                pinned.get_response()["model_version"],
            ],
            "dtypes": [str(named.as_numpy(name).dtype) for name in ("label", "probabilities")],
            "errors": {
                "width": error(lambda: infer(inputs[:1, :19])),
                "model": error(lambda: client.infer("snow", tensor(inputs))),
                "version": error(lambda: infer(inputs, model_version="9")),
                "output": error(lambda: infer(inputs, outputs=wanted("colour"))),
                "binary": error(lambda: client.infer("rain", tensor(inputs, binary=True))),
                "compressed": error(lambda: infer(inputs, request_compression_algorithm="gzip")),
            },
        }
    )
)
