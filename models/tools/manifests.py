"""Reads and writes the lines of a model manifest that depend on the build."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

FOLDER = Path(__file__).parents[1]


def path(name: str) -> Path:
    return FOLDER / f"{name}.toml"


def update(name: str, model: bytes) -> None:
    """Writes SHA-256 and length of the model into its manifest."""
    text = path(name).read_text(encoding="utf-8")
    digest = hashlib.sha256(model).hexdigest()
    text = re.sub(r'^sha256 = ".*"$', f'sha256 = "{digest}"', text, flags=re.MULTILINE)
    text = re.sub(r"^bytes = \d+$", f"bytes = {len(model)}", text, flags=re.MULTILINE)
    path(name).write_text(text, encoding="utf-8")


def matches(name: str, model: bytes) -> bool:
    """Returns true if the manifest has the SHA-256 and the length of the model."""
    lines = path(name).read_text(encoding="utf-8").splitlines()
    digest = hashlib.sha256(model).hexdigest()
    return f'sha256 = "{digest}"' in lines and f"bytes = {len(model)}" in lines


def has_centre(name: str, centre: list[float]) -> bool:
    """Returns true if the manifest has this centre, up to rounding."""
    text = path(name).read_text(encoding="utf-8")
    values = re.search(r"^centre = \[(.*?)\]", text, flags=re.MULTILINE | re.DOTALL)
    written = [float(value) for value in values[1].split(",") if value.strip()] if values else []
    return len(written) == len(centre) and all(abs(a - b) < 2e-6 for a, b in zip(written, centre))
