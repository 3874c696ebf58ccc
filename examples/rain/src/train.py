"""Train: fit the model on the prepared days and export it to ONNX.

Beside the model goes a golden sample: rows, and what scikit-learn itself answers for
them. ketch compares its own answers with these before the model may see traffic.
"""

import json
import pathlib

import numpy
from skl2onnx import to_onnx

from parameters import parameters
from recipe import load, new_model


def tensor(name: str, datatype: str, values) -> dict:
    return {"name": name, "datatype": datatype, "shape": list(values.shape),
            "data": values.reshape(-1).tolist()}


def main() -> None:
    features, labels = load("data/train.csv")
    model = new_model(parameters("train")).fit(features, labels)

    folder = pathlib.Path("model")
    folder.mkdir(exist_ok=True)
    exported = to_onnx(model, features[:1], options={"zipmap": False})
    (folder / "rain.onnx").write_bytes(exported.SerializeToString())

    sample = features[:: max(1, len(features) // 50)]
    golden = {
        "inputs": [tensor("X", "FP32", sample)],
        "outputs": [
            tensor("label", "INT64", model.predict(sample)),
            tensor("probabilities", "FP32", model.predict_proba(sample).astype(numpy.float32)),
        ],
    }
    (folder / "golden.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")
    print(f"train: {len(labels)} days, {labels.mean():.1%} with rain")


if __name__ == "__main__":
    main()
