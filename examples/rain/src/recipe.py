"""What the train and evaluate stages share: the columns and the model."""

import csv
import pathlib

import numpy
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = [
    "temperature",
    "dew_point",
    "sea_level_pressure",
    "visibility",
    "average_wind_speed",
    "max_sustained_wind_speed",
    "minimum_temperature",
    "maximum_temperature",
]


def load(path: str):
    with pathlib.Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    features = numpy.array([[row[name] for name in FEATURES] for row in rows], dtype=numpy.float32)
    labels = numpy.array([int(row["rain"]) for row in rows], dtype=numpy.int64)
    return features, labels


def new_model(chosen: dict):
    return make_pipeline(
        StandardScaler(),
        GradientBoostingClassifier(
            n_estimators=chosen["trees"],
            max_depth=chosen["depth"],
            learning_rate=chosen["learning_rate"],
            random_state=chosen["seed"],
        ),
    )
