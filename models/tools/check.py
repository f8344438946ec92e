"""How far a shipped file is from the published weights, on the faces of the portraits."""

from __future__ import annotations

import numpy as np
import onnxruntime

from tools import faces, fetch, networks
from tools.faces import Face, probabilities

Session = onnxruntime.InferenceSession
SIZES = ((320, 320), (640, 480), (256, 192))
STRIDES = (8, 16, 32)


def differences(products: dict[str, bytes]) -> list[tuple[str, str]]:
    """A line or more of the report for each network."""
    found = faces.faces()
    lines = []
    for name, product in products.items():
        original = faces.session(networks.original(name).SerializeToString())
        shipped = faces.session(product)
        if name == "yunet":
            lines += [(name, detector(original, shipped, size)) for size in SIZES]
        elif name == "minifasnet":
            lines.append((name, liveness(original, shipped, found)))
            lines.append((name, interpreter(original, found)))
        else:
            lines.append((name, embedder(original, shipped, name, found)))
    return lines


def embedder(original: Session, shipped: Session, name: str, found: dict[str, Face]) -> str:
    crops = [face.aligned() for face in found.values()]
    cosines = [
        float(faces.embed(original, name, crop) @ faces.embed(shipped, name, crop))
        for crop in crops
    ]
    return f"cosine {min(cosines):.5f} at least, {np.mean(cosines):.5f} in the mean"


def liveness(original: Session, shipped: Session, found: dict[str, Face]) -> str:
    crops = [face.liveness_crop() for face in found.values()]
    apart = max(
        np.abs(probabilities(logits(original, crop)) - probabilities(logits(shipped, crop))).max()
        for crop in crops
    )
    return f"probability {apart:.4f} apart at most"


def logits(session: Session, crop: np.ndarray) -> np.ndarray:
    return faces.run(session, crop)[0][0]


def interpreter(original: Session, found: dict[str, Face]) -> str:
    """The converted graph in f32 beside the TFLite interpreter on the published file."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return "conversion not compared: no TFLite interpreter for this platform"
    reference = Interpreter(str(fetch.weights("minifasnet")))
    reference.allocate_tensors()
    apart = 0.0
    for face in found.values():
        crop = face.liveness_crop()
        reference.set_tensor(reference.get_input_details()[0]["index"], np.float32(crop[None]))
        reference.invoke()
        expected = reference.get_tensor(reference.get_output_details()[0]["index"])[0]
        apart = max(apart, float(np.abs(expected - logits(original, crop)).max()))
    return f"conversion: logits {apart:.6f} from the TFLite interpreter at most"


def detector(original: Session, shipped: Session, size: tuple[int, int]) -> str:
    apart = np.zeros(3)
    for picture in faces.portraits().values():
        frame, _ = faces.letterboxed(picture, *size)
        expected, actual = decode(original, frame), decode(shipped, frame)
        surest = expected[:, -1].argmax()
        distance = np.abs(expected[surest] - actual[surest])
        apart = np.maximum(apart, [distance[:4].max(), distance[4:14].max(), distance[14]])
    box, landmark, score = apart
    return (
        f"{size[0]}×{size[1]}: box {box:.2f} px, landmark {landmark:.2f} px, "
        f"score {score:.4f} apart at most"
    )


def decode(session: Session, frame: np.ndarray) -> np.ndarray:
    """A row for each cell: centre, size, five landmarks, score."""
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
