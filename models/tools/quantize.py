"""Quantizes weights to int8 with one scale per output channel; activations stay in f32.

The file has a quarter of the size. Runtimes that fold constants dequantize the weights once, at load,
and are as fast as with f32.
"""

from __future__ import annotations

import numpy as np
import onnx

from tools.graph import Graph

LEVELS = 127
CLIPS = np.linspace(0.5, 1.0, 51)
WEIGHTS_MIN = 1024  # smaller layers: the extra node costs more than it saves


def quantize_weights(graph: Graph) -> None:
    for node in [node for node in graph.nodes if node.op_type in ("Conv", "Gemm")]:
        weight = graph.constants[node.input[1]]
        depthwise = weight.ndim == 4 and weight.shape[1] == 1
        if depthwise or weight.size < WEIGHTS_MIN:
            continue
        values, scales = quantize(weight)
        name = node.input[1]
        packed = graph.constant(f"{name}.packed", values)
        scale = graph.constant(f"{name}.scale", scales)
        unpack = onnx.helper.make_node("DequantizeLinear", [packed, scale], [name], axis=0)
        del graph.constants[name]
        graph.nodes.insert(graph.nodes.index(node), unpack)


def quantize(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the int8 values and, per channel, the scale with the least squared error."""
    columns = np.ascontiguousarray(weight.reshape(len(weight), -1).T)
    largest = np.abs(columns).max(axis=0)
    best = np.full(len(weight), np.inf)
    scales = np.ones(len(weight), np.float32)
    for clip in CLIPS:
        candidate = (largest * clip / LEVELS).astype(np.float32)
        candidate[candidate == 0] = 1
        # Sums over the first axis have the same order, and so the same rounding, on every machine.
        error = ((round_to(columns, candidate) * candidate - columns) ** 2).sum(axis=0)
        better = error < best
        best[better] = error[better]
        scales[better] = candidate[better]
    values = round_to(columns, scales).T.reshape(weight.shape)
    return values.astype(np.int8), scales


def round_to(columns: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(columns / scales.astype(np.float64)), -LEVELS, LEVELS)
