"""Python environment in the user's cache, from wheels pinned by hash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
TFLITE_REQUIREMENTS = Path(__file__).with_name("requirements-tflite.txt")
SUPPORTED = ((3, 9), (3, 12))


def cache() -> Path:
    """Returns the folder for downloads and the environment, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "instored-models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def enter() -> None:
    """Restarts the running script inside the environment, which is created first if needed."""
    version = sys.version_info[:2]
    if not SUPPORTED[0] <= version <= SUPPORTED[1]:
        sys.exit("This script needs Python 3.9 to 3.12: there are no pinned wheels for other versions.")
    pins = REQUIREMENTS.read_bytes() + TFLITE_REQUIREMENTS.read_bytes() + sys.version.encode()
    home = cache() / f"python-{hashlib.sha256(pins).hexdigest()[:12]}"
    if Path(sys.prefix) == home:
        return
    python = home / "bin" / "python"
    complete = home / "complete"
    if not complete.exists():
        print(f"Creating a Python environment in {home} …", flush=True)
        venv.create(home, clear=True, with_pip=True)
        if not install(python, REQUIREMENTS):
            sys.exit("pip failed to install the Python packages; see its messages above.")
        # Optional: only a cross-check needs the TFLite interpreter, which some platforms lack.
        install(python, TFLITE_REQUIREMENTS)
        complete.touch()
    os.execv(python, [str(python), *sys.argv])


def install(python: Path, requirements: Path) -> bool:
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pins = ["--only-binary", ":all:", "--require-hashes", "--requirement", requirements]
    return subprocess.run([*pip, *pins]).returncode == 0
