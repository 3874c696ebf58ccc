"""Asks MLflow itself which names, metric order and error codes it uses.

Made with MLflow 3.17.2 (mlflow-skinny, sqlalchemy, alembic), its SQLAlchemy store on SQLite:

    python make_mlflow_rules.py > mlflow-3.17.2-rules.json
"""

import json
import math
import random
import tempfile

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
from mlflow.utils import validation

NAMES = [
    "loss", "val/loss", "a.b-c d:e_1", "", " ", "/loss", "loss/", "a//b", "../x", "..", ".", "a/../b", "./a",
    "..a", "a..b", ".hidden", "a\\b", "a#b", "a?b", "a\tb", "é", "损失", "x" * 250, "x" * 251, "é" * 250, "a,b",
    "rain", "rain:1", "rain/x", "champion", "latest", "Latest", "LATEST", "v1", "V12", "v", "v1a", "version1",
    "a-b_c", "a b", "a.b", "x" * 255, "x" * 256, "latest-1", "1", "-", "_", "@champion", "v\u0661", "a@b", "a%2fb",
]


def code(action):
    try:
        action()
    except MlflowException as error:
        return error.error_code
    return "OK"


def metric_key(name):
    validation._validate_metric(name, 1.0, 1, 0)


def param_key(name):
    validation._validate_param(name, "v")


def tag_key(name):
    validation._validate_tag(name, "v")


def model_name(name):
    validation._validate_model_name(name)


def new_alias(name):
    validation._validate_model_alias_name(name)
    validation._validate_model_alias_name_reserved(name)


def plain(value):
    return "NaN" if math.isnan(value) else value


def main():
    with tempfile.TemporaryDirectory() as root:
        uri = f"sqlite:///{root}/mlflow.db"
        tracking = TrackingStore(uri, f"{root}/artifacts")
        registry = RegistryStore(uri)
        experiment = tracking.create_experiment("golden")

        def start():
            return tracking.create_run(experiment, "ana", 1, [], "run").info.run_id

        chance = random.Random(7)
        sequences = []
        for _ in range(40):
            run = start()
            batches = []
            for _ in range(chance.randint(1, 3)):
                batch = [
                    {
                        "key": chance.choice(["loss", "accuracy"]),
                        "value": plain(chance.choice([-1.5, 0.0, 0.25, 3.0, math.nan])),
                        "timestamp_ms": chance.choice([0, 10, 20]),
                        "step": chance.choice([-1, 0, 1, 2]),
                    }
                    for _ in range(chance.randint(1, 4))
                ]
                batches.append(batch)
                tracking.log_batch(
                    run,
                    [Metric(m["key"], float(m["value"]), m["timestamp_ms"], m["step"]) for m in batch],
                    [],
                    [],
                )
            rows = lambda metrics: [
                {"key": m.key, "value": plain(m.value), "timestamp_ms": m.timestamp, "step": m.step} for m in metrics
            ]
            sequences.append(
                {
                    "batches": batches,
                    "latest": sorted(rows(tracking.get_run(run).data._metric_objs), key=lambda m: m["key"]),
                    "history": {
                        key: rows(tracking.get_metric_history(run, key)) for key in ["accuracy", "loss"]
                    },
                }
            )

        run = start()
        registry.create_registered_model("rain")
        registry.create_model_version("rain", "runs:/x/model", run)
        tracking.log_param(run, Param("lr", "0.1"))
        registry.set_registered_model_alias("rain", "champion", "1")
        missing = "0" * 32
        errors = {
            "experiment twice": code(lambda: tracking.create_experiment("golden")),
            "experiment without name": code(lambda: tracking.create_experiment("")),
            "run of missing experiment": code(lambda: tracking.create_run("77", "u", 1, [], "r")),
            "missing run": code(lambda: tracking.get_run(missing)),
            "metric on missing run": code(lambda: tracking.log_metric(missing, Metric("a", 1.0, 1, 0))),
            "param with same value": code(lambda: tracking.log_param(run, Param("lr", "0.1"))),
            "param with other value": code(lambda: tracking.log_param(run, Param("lr", "0.2"))),
            "param twice in a batch": code(
                lambda: tracking.log_batch(run, [], [Param("p", "1"), Param("p", "1")], [])
            ),
            "negative timestamp": code(lambda: tracking.log_metric(run, Metric("a", 1.0, -1, 0))),
            "negative step": code(lambda: tracking.log_metric(run, Metric("a", 1.0, 1, -1))),
            "run name against tag": code(
                lambda: tracking.create_run(experiment, "u", 1, [RunTag("mlflow.runName", "other")], "r")
            ),
            "missing model": code(lambda: registry.get_registered_model("snow")),
            "version of missing model": code(lambda: registry.create_model_version("snow", "runs:/x/m", run)),
            "missing version": code(lambda: registry.get_model_version("rain", "9")),
            "alias to missing version": code(
                lambda: registry.set_registered_model_alias("rain", "champion", "9")
            ),
            "alias of missing model": code(lambda: registry.set_registered_model_alias("snow", "a", "1")),
            "missing alias": code(lambda: registry.get_model_version_by_alias("rain", "nobody")),
            "delete missing alias": code(lambda: registry.delete_registered_model_alias("rain", "nobody")),
            "tag on missing version": code(
                lambda: registry.set_model_version_tag("rain", "9", ModelVersionTag("k", "v"))
            ),
        }
        checks = {"metric": metric_key, "param": param_key, "tag": tag_key, "model": model_name, "alias": new_alias}
        names = [
            {"text": name, "accepted_as": [what for what, check in checks.items() if code(lambda: check(name)) == "OK"]}
            for name in NAMES
        ]
        lines = lambda rows: "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"
        print("{")
        print(f'"tool": "mlflow {mlflow.__version__}",')
        print(f'"errors": {json.dumps(errors, indent=1)},')
        print(f'"names": {lines(names)},')
        print(f'"sequences": {lines(sequences)}')
        print("}")


main()
