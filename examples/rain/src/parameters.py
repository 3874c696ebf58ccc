"""Reads params.yaml without a YAML package: two levels, scalars only."""

import json
import pathlib


def scalar(text: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text.strip("'\"")


def parameters(section: str) -> dict:
    values, current = {}, None
    for line in pathlib.Path("params.yaml").read_text(encoding="utf-8").splitlines():
        line = line.split(" #")[0].rstrip()
        if not line or line.startswith("#"):
            continue
        key, _, value = line.strip().partition(":")
        if not line.startswith(" "):
            current = key
        elif current == section:
            values[key] = scalar(value.strip())
    return values
