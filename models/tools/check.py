"""Differences between a shipped file and the published weights, on the faces of the portraits."""

from __future__ import annotations

import numpy as np
import onnxruntime

from tools import faces, fetch, networks
from tools.faces import Face, probabilities

Session = onnxruntime.InferenceSession
SIZES = ((320, 320), (640, 480), (256, 192))
STRIDES = (8, 16, 32)


def differences(models: dict[str, bytes]) -> list[tuple[str, str]]:
    """Returns names and differences: one or more lines for each network."""
    found = faces.faces()
    lines = []
    for name, model in models.items():
        published = faces.session(networks.published(name).SerializeToString())
        shipped = faces.session(model)
        if name == "yunet":
            lines += [(name, detector(published, shipped, size)) for size in SIZES]
        elif name == "minifasnet":
            lines.append((name, pad(published, shipped, found)))
            lines.append((name, tflite(published, found)))
        else:
            lines.append((name, embedder(published, shipped, name, found)))
    return lines


def embedder(published: Session, shipped: Session, name: str, found: dict[str, Face]) -> str:
    crops = [face.aligned() for face in found.values()]
    cosines = [
        float(faces.embed(published, name, crop) @ faces.embed(shipped, name, crop))
        for crop in crops
    ]
    return f"cosine: minimum {min(cosines):.5f}, mean {np.mean(cosines):.5f}"


def pad(published: Session, shipped: Session, found: dict[str, Face]) -> str:
    crops = [face.pad_crop() for face in found.values()]
    difference = max(
        np.abs(probabilities(logits(published, crop)) - probabilities(logits(shipped, crop))).max()
        for crop in crops
    )
    return f"probability: maximum difference {difference:.4f}"


def logits(session: Session, crop: np.ndarray) -> np.ndarray:
    return faces.run(session, crop)[0][0]


def tflite(published: Session, found: dict[str, Face]) -> str:
    """Compares the converted graph in f32 with the TFLite interpreter on the published file."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return "conversion not compared: no TFLite interpreter for this platform"
    reference = Interpreter(str(fetch.weights("minifasnet")))
    reference.allocate_tensors()
    difference = 0.0
    for face in found.values():
        crop = face.pad_crop()
        reference.set_tensor(reference.get_input_details()[0]["index"], np.float32(crop[None]))
        reference.invoke()
        expected = reference.get_tensor(reference.get_output_details()[0]["index"])[0]
        difference = max(difference, float(np.abs(expected - logits(published, crop)).max()))
    return f"conversion: maximum difference {difference:.6f} of the logits to the TFLite interpreter"


def detector(published: Session, shipped: Session, size: tuple[int, int]) -> str:
    maximum = np.zeros(3)
    for picture in faces.portraits().values():
        frame, _ = faces.letterboxed(picture, *size)
        expected, actual = decode(published, frame), decode(shipped, frame)
        best = expected[:, -1].argmax()
        difference = np.abs(expected[best] - actual[best])
        maximum = np.maximum(
            maximum, [difference[:4].max(), difference[4:14].max(), difference[14]]
        )
    box, landmark, score = maximum
    return (
        f"{size[0]}×{size[1]}: maximum difference: box {box:.2f} px, "
        f"landmark {landmark:.2f} px, score {score:.4f}"
    )


def decode(session: Session, frame: np.ndarray) -> np.ndarray:
    """Returns a row for each cell: centre, size, five landmarks, score."""
    names = [output.name for output in session.get_outputs()]
    outputs = {name: value[0] for name, value in zip(names, faces.run(session, frame))}
    height, width = frame.shape[:2]
    rows = []
    for stride in STRIDES:
        grid = np.mgrid[: height // stride, : width // stride].reshape(2, -1).T[:, ::-1]
        box, points = outputs[f"bbox_{stride}"], outputs[f"kps_{stride}"]
        score = np.sqrt(outputs[f"cls_{stride}"] * outputs[f"obj_{stride}"])
        centre, side = grid + box[:, :2], np.exp(box[:, 2:])
        landmarks = points + np.tile(grid, 5)
        rows.append(np.hstack([centre * stride, side * stride, landmarks * stride, score]))
    return np.vstack(rows)
