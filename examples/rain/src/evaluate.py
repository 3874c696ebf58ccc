"""Evaluate: fit the same recipe on the first three quarters of the prepared days and
score the last quarter, so that the estimate never looks into the model's own past."""

import json
import pathlib

from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from parameters import parameters
from recipe import load, new_model


def main() -> None:
    features, labels = load("data/train.csv")
    cut = len(labels) * 3 // 4
    model = new_model(parameters("train")).fit(features[:cut], labels[:cut])
    score = model.predict_proba(features[cut:])[:, 1]
    metrics = {
        "roc_auc": round(float(roc_auc_score(labels[cut:], score)), 6),
        "accuracy": round(float(accuracy_score(labels[cut:], score > 0.5)), 6),
        "log_loss": round(float(log_loss(labels[cut:], score)), 6),
        "days": len(labels) - cut,
    }
    pathlib.Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    print(f"evaluate: ROC AUC {metrics['roc_auc']:.3f} on the last {metrics['days']} days")


if __name__ == "__main__":
    main()
