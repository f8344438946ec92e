"""Alternatives to the program's functions, each as a call to be timed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
from onnxruntime.quantization import quantize_dynamic, quantize_static

from tools import fetch, networks, rewrite

cv2.setNumThreads(1)
Peers = dict[str, Callable[[], object]]


def embedders(work: Path, name: str) -> Peers:
    face = np.random.default_rng(1).uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)
    if name == "mobilefacenet":
        face = (face - 127.5) / 128
    return sessions(variants(work, name, face), face)


def detectors(work: Path, size: tuple[int, int]) -> Peers:
    picture = np.random.default_rng(1).uniform(0, 255, (1, 3, size[1], size[0])).astype(np.float32)
    small = picture[:, :, :320, :320]
    calls = sessions(variants(work, "yunet", small), picture)
    detector = opencv_detector(size)
    pixels = picture[0].transpose(1, 2, 0).astype(np.uint8)
    return calls | {"OpenCV FaceDetectorYN": lambda: detector.detect(pixels)}


def frames(work: Path, frame: np.ndarray) -> Peers:
    detector = opencv_detector((frame.shape[1], frame.shape[0]))
    recogniser = cv2.FaceRecognizerSF.create(str(fetch.weights("sface")), "")

    def opencv() -> None:
        for face in detector.detect(frame)[1]:
            recogniser.feature(recogniser.alignCrop(frame, face))

    return {"OpenCV FaceDetectorYN + FaceRecognizerSF": opencv} | deepface(work, frame)


def deepface(work: Path, frame: np.ndarray) -> Peers:
    home = work / "deepface" / ".deepface" / "weights"
    home.mkdir(parents=True, exist_ok=True)
    for name in ("yunet", "sface"):
        source = fetch.weights(name)
        shutil.copy(source, home / source.name.split("-", 1)[1])
    os.environ["DEEPFACE_HOME"] = str(work / "deepface")
    from deepface import DeepFace

    options = {"model_name": "SFace", "detector_backend": "yunet"}
    return {"DeepFace": lambda: DeepFace.represent(frame, **options)}


def searches(count: int, dimension: int) -> Peers:
    import faiss

    faiss.omp_set_num_threads(1)
    noise = np.random.default_rng(1).standard_normal((count + 1, dimension)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(dimension)
    index.add(noise[:-1])
    return {"FAISS IndexFlatIP": lambda: index.search(noise[-1:], 2)}


def opencv_detector(size: tuple[int, int]) -> cv2.FaceDetectorYN:
    return cv2.FaceDetectorYN.create(str(fetch.weights("yunet")), "", size, 0.7)


def sessions(models: dict[str, Path], values: np.ndarray) -> Peers:
    calls = {}
    for name, path in models.items():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: values}
        calls[f"onnxruntime, {name}"] = lambda session=session, feed=feed: session.run(None, feed)
    return calls


def variants(work: Path, name: str, sample: np.ndarray) -> dict[str, Path]:
    """Returns the same weights in all formats that onnxruntime may run fast."""
    folder = work / "variants"
    folder.mkdir(exist_ok=True)
    names = ("published f32", "rewritten f32", "weights int8", "QDQ int8", "QLinearConv int8", "dynamic int8")
    paths = {variant: folder / f"{name}-{variant.replace(' ', '-')}.onnx" for variant in names}
    if not paths["dynamic int8"].exists():
        onnx.save(networks.published(name), paths["published f32"])
        rewritten = networks.source(name)
        rewrite.simplify(rewritten)
        onnx.save(rewritten.model(), paths["rewritten f32"])
        paths["weights int8"].write_bytes(networks.shipped(name))
        f32 = paths["rewritten f32"]
        types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        for variant, kind in (("QDQ int8", QuantFormat.QDQ), ("QLinearConv int8", QuantFormat.QOperator)):
            reader = Samples(sample)
            quantize_static(f32, paths[variant], reader, kind, per_channel=True, **types)
        quantize_dynamic(f32, paths["dynamic int8"], weight_type=QuantType.QInt8)
    return paths


class Samples(CalibrationDataReader):
    """Calibration data for timing only: two copies of one picture."""

    def __init__(self, sample: np.ndarray) -> None:
        self.left = [{"input": sample}] * 2

    def get_next(self) -> dict | None:
        return self.left.pop() if self.left else None
