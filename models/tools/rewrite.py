"""Rewrites of a graph that preserve its outputs, except for the rounding of floats."""

from __future__ import annotations

import math

import numpy as np
import onnx

from tools.graph import Graph, attribute

FOLDED_BYTES_MAX = 4 << 20  # largest f32 constant that tract folds at load


def simplify(graph: Graph) -> None:
    fold_scaling(graph)
    fold_batch_norm(graph)
    merge_linear(graph)
    split_large(graph)
    plain_prelu(graph)


def drop_dropout(graph: Graph) -> None:
    for node in [node for node in graph.nodes if node.op_type == "Dropout"]:
        graph.bypass(node)


def fold_scaling(graph: Graph) -> None:
    """Folds the multiplication by a number into the weights of the following convolutions."""
    for node in [node for node in graph.nodes if node.op_type == "Mul"]:
        factor = graph.constants.get(node.input[1])
        readers = graph.consumers(node.output[0])
        if factor is not None and factor.size == 1 and all(r.op_type == "Conv" for r in readers):
            for reader in readers:
                graph.constants[reader.input[1]] *= factor.item()
            graph.bypass(node)


def fold_batch_norm(graph: Graph) -> None:
    """Folds batch normalisation into the linear layer before it, or else into the one after it."""
    for node in [node for node in graph.nodes if node.op_type == "BatchNormalization"]:
        gamma, beta, mean, variance = (graph.constants[name] for name in node.input[1:])
        scale = gamma / np.sqrt(variance + attribute(node, "epsilon"))
        shift = beta - mean * scale
        before = graph.producer(node.input[0])
        if before.op_type in ("Conv", "Gemm"):
            weight, bias = linear_parts(graph, before)
            column = scale.reshape(-1, *[1] * (weight.ndim - 1))
            set_linear_parts(graph, before, weight * column, bias * scale + shift)
        else:
            (flatten,) = graph.consumers(node.output[0])
            (gemm,) = graph.consumers(flatten.output[0])
            assert (flatten.op_type, gemm.op_type) == ("Flatten", "Gemm")
            weight, bias = linear_parts(graph, gemm)
            cells = weight.shape[1] // len(scale)
            bias = bias + product(weight, np.repeat(shift, cells)[:, None])[:, 0]
            set_linear_parts(graph, gemm, weight * np.repeat(scale, cells), bias)
        graph.bypass(node)


def merge_linear(graph: Graph) -> None:
    """Merges two consecutive fully connected layers."""
    for node in [node for node in graph.nodes if node.op_type == "Gemm"]:
        before = graph.producer(node.input[0])
        if before is not None and before.op_type == "Gemm":
            weight, bias = linear_parts(graph, node)
            inner_weight, inner_bias = linear_parts(graph, before)
            bias = bias + product(weight, inner_bias[:, None])[:, 0]
            set_linear_parts(graph, node, product(weight, inner_weight), bias)
            graph.bypass(before)


def split_large(graph: Graph) -> None:
    """Splits a large fully connected layer by its outputs into several parallel ones."""
    for node in [node for node in graph.nodes if node.op_type == "Gemm"]:
        weight, bias = linear_parts(graph, node)
        parts = -(-weight.size * 4 // FOLDED_BYTES_MAX)
        while len(weight) % parts:
            parts += 1
        if parts == 1:
            continue
        position, output = graph.nodes.index(node), node.output[0]
        slices = []
        rows = zip(np.split(weight, parts), np.split(bias, parts))
        for index, (some_weight, some_bias) in enumerate(rows):
            name = f"{output}.{index}"
            constants = [
                graph.constant(f"{name}.weight", some_weight),
                graph.constant(f"{name}.bias", some_bias),
            ]
            inputs = [node.input[0], *constants]
            slices.append(onnx.helper.make_node("Gemm", inputs, [name], transB=1))
        names = [part.output[0] for part in slices]
        concat = onnx.helper.make_node("Concat", names, [output], axis=1)
        graph.nodes[position : position + 1] = [*slices, concat]


def plain_prelu(graph: Graph) -> None:
    """Replaces PReLU by operators that are fast in all runtimes.

    The replacement is max(x, a·x) if all slopes are at most 1, else max(x, 0) + a·min(x, 0).
    """
    zero = graph.constant("zero", np.zeros(1))
    for node in [node for node in graph.nodes if node.op_type == "PRelu"]:
        x, slope, y = node.input[0], node.input[1], node.output[0]
        slopes = graph.constants[slope]
        graph.constants[slope] = slopes.reshape(1, *slopes.shape)
        if slopes.max() <= 1:
            parts = [("Mul", [x, slope], f"{y}.scaled"), ("Max", [x, f"{y}.scaled"], y)]
        else:
            parts = [
                ("Relu", [x], f"{y}.positive"),
                ("Min", [x, zero], f"{y}.negative"),
                ("Mul", [f"{y}.negative", slope], f"{y}.scaled"),
                ("Add", [f"{y}.positive", f"{y}.scaled"], y),
            ]
        position = graph.nodes.index(node)
        graph.nodes[position : position + 1] = [
            onnx.helper.make_node(op, inputs, [output]) for op, inputs, output in parts
        ]


def tidy_names(graph: Graph) -> None:
    """Names every value after the operator that computes it, every constant after its reader."""
    counts: dict[str, int] = {}
    constants: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        kind = node.op_type.lower()
        counts[kind] = counts.get(kind, 0) + 1
        node.name = f"{kind}_{counts[kind]}"
        if node.output[0] not in graph.outputs:
            graph.rename(node.output[0], node.name)
        for position, name in enumerate(node.input):
            if name in graph.constants:
                node.input[position] = f"{node.name}.{position}"
                constants[node.input[position]] = graph.constants[name]
    graph.constants = constants


def linear_parts(graph: Graph, node: onnx.NodeProto) -> tuple[np.ndarray, np.ndarray]:
    weight = graph.constants[node.input[1]]
    bias = graph.constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight))
    return weight, bias


def set_linear_parts(
    graph: Graph, node: onnx.NodeProto, weight: np.ndarray, bias: np.ndarray
) -> None:
    graph.constants[node.input[1]] = weight
    name = graph.constant(f"{node.input[1]}.bias", bias)
    node.input[:] = [*node.input[:2], name]


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns a matrix product with exact sums, which is the same on every machine."""
    return np.array([[math.fsum(row * column) for column in right.T] for row in left])
