"""Graph of a small network: nodes in execution order, constants by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional, Union

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[Union[int, str]]
OPSET = 13
IR_VERSION = 7


@dataclass
class Graph:
    """Graph for rewriting. Constants are kept in double precision and rounded once, at the end."""

    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def constant(self, name: str, values: np.ndarray) -> str:
        values = np.asarray(values)
        self.constants[name] = values.astype(np.float64) if values.dtype == np.float32 else values
        return name

    def add(self, op: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def producer(self, value: str) -> Optional[onnx.NodeProto]:
        return next((node for node in self.nodes if value in node.output), None)

    def consumers(self, value: str) -> list[onnx.NodeProto]:
        return [node for node in self.nodes if value in node.input]

    def bypass(self, node: onnx.NodeProto) -> None:
        """Removes a node. Readers of its output read its first input instead."""
        self.nodes.remove(node)
        for reader in self.consumers(node.output[0]):
            reader.input[list(reader.input).index(node.output[0])] = node.input[0]
        if node.output[0] in self.outputs:
            self.producer(node.input[0]).output[0] = node.output[0]

    def rename(self, old: str, new: str) -> None:
        for node in self.nodes:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
        for values in (self.inputs, self.outputs):
            if old in values:
                values[new] = values.pop(old)

    def model(self) -> onnx.ModelProto:
        used = dict.fromkeys(name for node in self.nodes for name in node.input)
        initialisers = [
            numpy_helper.from_array(to_f32(self.constants[name]), name)
            for name in used
            if name in self.constants
        ]
        graph = helper.make_graph(
            self.nodes, "instored", value_infos(self.inputs), value_infos(self.outputs), initialisers
        )
        model = helper.make_model(
            graph,
            producer_name="instored",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def to_f32(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype == np.float64 else values


def value_infos(values: dict[str, Shape]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in values.items()]


def load(model: onnx.ModelProto) -> Graph:
    constants = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}

    def shapes(values: Sequence[onnx.ValueInfoProto]) -> dict[str, tuple[int, ...]]:
        return {
            value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
            for value in values
            if value.name not in constants
        }

    graph = Graph(shapes(model.graph.input), shapes(model.graph.output), list(model.graph.node))
    for name, values in constants.items():
        graph.constant(name, values)
    return graph


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    found = (a for a in node.attribute if a.name == name)
    return next((helper.get_attribute_value(a) for a in found), default)
