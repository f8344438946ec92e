"""Reference detection and alignment of the portraits with OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from tools import fetch

PORTRAITS = Path(__file__).parents[2] / "crates" / "simulation" / "portraits"
THRESHOLD = 0.7
BOX_SCALE = 2.7
PAD_SIDE = 80


@dataclass
class Face:
    picture: np.ndarray
    row: np.ndarray
    """Row of FaceDetectorYN: x, y, width, height, five landmarks, score."""

    def aligned(self) -> np.ndarray:
        return recognizer().alignCrop(self.picture, self.row)

    def pad_box(self) -> tuple[int, int, int, int]:
        """Returns the crop of the PAD network, as in Silent-Face-Anti-Spoofing.

        The box is enlarged by 2.7 about its centre, or less if it would exceed the picture, and
        shifted inside. The result is left, top, right and bottom; all are inside the crop.
        """
        height, width = self.picture.shape[:2]
        x, y, w, h = (float(value) for value in self.row[:4])
        scale = min((height - 1) / h, (width - 1) / w, BOX_SCALE)
        left, right = shifted_inside(x + w / 2, w * scale, width)
        top, bottom = shifted_inside(y + h / 2, h * scale, height)
        return left, top, right, bottom

    def pad_crop(self) -> np.ndarray:
        left, top, right, bottom = self.pad_box()
        crop = self.picture[top : bottom + 1, left : right + 1]
        return cv2.resize(crop, (PAD_SIDE, PAD_SIDE))


@cache
def recognizer() -> cv2.FaceRecognizerSF:
    return cv2.FaceRecognizerSF.create(str(fetch.weights("sface")), "")


def shifted_inside(centre: float, length: float, limit: int) -> tuple[int, int]:
    low, high = centre - length / 2, centre + length / 2
    if low < 0:
        low, high = 0, high - low
    if high > limit - 1:
        low, high = low - (high - limit + 1), limit - 1
    return int(low), int(high)


def portraits() -> dict[str, np.ndarray]:
    """Returns each portrait in its original size."""
    paths = sorted(path for path in PORTRAITS.iterdir() if path.suffix in (".jpg", ".png"))
    return {path.name: cv2.imread(str(path)) for path in paths}


def padded(picture: np.ndarray) -> np.ndarray:
    """Pads a picture with black at the right and below, to multiples of 32."""
    height, width = picture.shape[:2]
    return cv2.copyMakeBorder(picture, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)


def letterboxed(picture: np.ndarray, width: int, height: int) -> tuple[np.ndarray, float]:
    """Scales a picture to fit, bilinear, at the top left of a black frame. Returns it and the scale."""
    rows, columns = picture.shape[:2]
    scale = min(width / columns, height / rows)
    size = (round(columns * scale), round(rows * scale))
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return frame, scale


def detect(picture: np.ndarray) -> np.ndarray:
    """Detects faces with the published weights. Returns them with the highest score first."""
    height, width = picture.shape[:2]
    model = str(fetch.weights("yunet"))
    detector = cv2.FaceDetectorYN.create(model, "", (width, height), THRESHOLD)
    rows = detector.detect(picture)[1]
    return rows[np.argsort(-rows[:, -1], kind="stable")]


def faces() -> dict[str, Face]:
    """Returns the face with the highest score of each portrait, detected at its original size."""
    return {name: Face(p, detect(padded(p))[0]) for name, p in portraits().items()}


def run(session: onnxruntime.InferenceSession, pixels: np.ndarray) -> list[np.ndarray]:
    """Runs a network on one picture (rows × columns × channels). Returns all outputs."""
    tensor = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
    return session.run(None, {session.get_inputs()[0].name: tensor})


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def embedder_input(name: str, aligned: np.ndarray) -> np.ndarray:
    """Converts a face: RGB from 0 to 255 for SFace, BGR from -1 to 1 for MobileFaceNet."""
    if name == "sface":
        return aligned[:, :, ::-1].astype(np.float32)
    return (aligned.astype(np.float32) - 127.5) / 128


def embed(network: onnxruntime.InferenceSession, name: str, aligned: np.ndarray) -> np.ndarray:
    vector = run(network, embedder_input(name, aligned))[0][0].astype(np.float64)
    return vector / np.linalg.norm(vector)


def probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    return exponentials / exponentials.sum()
