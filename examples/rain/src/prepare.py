"""Prepare: the window of days a model is trained on."""

import csv
import pathlib
import random

from parameters import parameters


def main() -> None:
    chosen = parameters("prepare")
    first, last = chosen["first_day"], chosen["last_day"]
    with pathlib.Path("data/weather.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames
        rows = [row for row in reader if first <= int(row["day"]) < last]
    if not rows:
        raise SystemExit(f"prepare: no day from {first} up to {last} in data/weather.csv")

    # 0 in honest use. `ketch demo` sets it to 1 when it plays the villain.
    noise = random.Random(chosen["seed"])
    for row in rows:
        if noise.random() < chosen["label_noise"]:
            row["rain"] = 1 - int(row["rain"])

    with pathlib.Path("data/train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"prepare: {len(rows)} days, {first} up to {last}")


if __name__ == "__main__":
    main()
