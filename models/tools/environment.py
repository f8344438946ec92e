"""A private Python environment in the user's cache, from pinned and hashed wheels."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
INTERPRETER = Path(__file__).with_name("requirements-tflite.txt")
SUPPORTED = ((3, 9), (3, 12))


def cache() -> Path:
    """The folder for downloads and the environment; never inside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "instored-models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def enter() -> None:
    """Continue the running script inside the environment, making it first if need be."""
    version = sys.version_info[:2]
    if not SUPPORTED[0] <= version <= SUPPORTED[1]:
        sys.exit("This script needs Python 3.9 to 3.12: the pinned wheels exist for no other.")
    pins = REQUIREMENTS.read_bytes() + INTERPRETER.read_bytes() + sys.version.encode()
    home = cache() / f"python-{hashlib.sha256(pins).hexdigest()[:12]}"
    if Path(sys.prefix) == home:
        return
    python = home / "bin" / "python"
    complete = home / "complete"
    if not complete.exists():
        print(f"Making a Python environment in {home} …", flush=True)
        venv.create(home, clear=True, with_pip=True)
        if not install(python, REQUIREMENTS):
            sys.exit("The Python packages could not be installed.")
        # Only a cross-check needs the TFLite interpreter, and not every platform has a wheel.
        install(python, INTERPRETER)
        complete.touch()
    os.execv(python, [str(python), *sys.argv])


def install(python: Path, requirements: Path) -> bool:
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pins = ["--only-binary", ":all:", "--require-hashes", "--requirement", requirements]
    return subprocess.run([*pip, *pins]).returncode == 0
