"""The few lines of a model card that the build reads and writes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

FOLDER = Path(__file__).parents[1]


def path(name: str) -> Path:
    return FOLDER / f"{name}.toml"


def update(name: str, model: bytes) -> None:
    card = path(name).read_text(encoding="utf-8")
    digest = hashlib.sha256(model).hexdigest()
    card = re.sub(r'^sha256 = ".*"$', f'sha256 = "{digest}"', card, flags=re.MULTILINE)
    card = re.sub(r"^bytes = \d+$", f"bytes = {len(model)}", card, flags=re.MULTILINE)
    path(name).write_text(card, encoding="utf-8")


def agrees(name: str, model: bytes) -> bool:
    lines = path(name).read_text(encoding="utf-8").splitlines()
    digest = hashlib.sha256(model).hexdigest()
    return f'sha256 = "{digest}"' in lines and f"bytes = {len(model)}" in lines


def is_centred(name: str, centre: list[float]) -> bool:
    card = path(name).read_text(encoding="utf-8")
    values = re.search(r"^centre = \[(.*?)\]", card, flags=re.MULTILINE | re.DOTALL)
    written = [float(value) for value in values[1].split(",") if value.strip()] if values else []
    return len(written) == len(centre) and all(abs(a - b) < 2e-6 for a, b in zip(written, centre))
