"""Makes the small models of the control tests: scikit-learn 1.9.1, skl2onnx 1.20.0.

Run in this folder. `before` knows the relation before the change, `after` the one after it,
`after_weak` the one after it through one of the two features only, as a model from few rows would.
The stream is the one of `tests/it/stream.rs`, with a seed that no test uses.
"""

import json
import math

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

MASK = (1 << 64) - 1


class Generator:
    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 11) / (1 << 53)


def rows(count, seed):
    generator = Generator(seed)
    for _ in range(count):
        x0, x1 = 2 * generator.uniform() - 1, 2 * generator.uniform() - 1
        yield x0, x1, int(generator.uniform() < 1 / (1 + math.exp(-8 * (x0 + x1))))


def main():
    learnt = np.array(list(rows(400, 987_654_321)))
    features, labels = learnt[:, :2].astype(np.float32), learnt[:, 2].astype(np.int64)
    weak = features * np.array([1, 0], dtype=np.float32)
    for name, seen, truth in [
        ("before", features, labels),
        ("after", features, 1 - labels),
        ("after_weak", weak, 1 - labels),
    ]:
        model = LogisticRegression(C=100.0).fit(seen, truth)
        onnx = to_onnx(
            model,
            initial_types=[("features", FloatTensorType([None, 2]))],
            options={"zipmap": False},
            target_opset=15,
        )
        with open(f"{name}.onnx", "wb") as file:
            file.write(onnx.SerializeToString())
        sample = np.array([[-0.5, -0.25], [0.125, 0.75], [0.5, -0.75]], dtype=np.float32)
        golden = {
            "inputs": [
                {"name": "features", "shape": [3, 2], "datatype": "FP32", "data": sample.tolist()}
            ],
            "outputs": [
                {"name": "label", "shape": [3], "datatype": "INT64",
                 "data": model.predict(sample).tolist()},
                {"name": "probabilities", "shape": [3, 2], "datatype": "FP32",
                 "data": np.round(model.predict_proba(sample), 7).tolist()},
            ],
        }
        with open(f"{name}.golden.json", "w") as file:
            json.dump(golden, file)
            file.write("\n")
    with open("reference.csv", "w") as file:
        file.write("x0,x1,outcome\n")
        for x0, x1, label in learnt:
            file.write(f"{x0:.4f},{x1:.4f},{int(label)}\n")


main()
