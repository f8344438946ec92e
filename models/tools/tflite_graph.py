"""Converts a small TFLite classifier to a graph in NCHW order without transpositions.

The operators of MiniFASNetV2 are supported in the form that exporters write: PAD before a convolution
becomes its padding; GREATER, MUL and SELECT become PReLU.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tflite

from tools.graph import Graph

OPERATORS = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
DTYPES = {tflite.TensorType.FLOAT32: "<f4", tflite.TensorType.INT64: "<i8"}


class Converter:
    def __init__(self, path: Path) -> None:
        self.model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
        self.subgraph = self.model.Subgraphs(0)
        height, width, channels = self.tensor_shape(self.subgraph.Inputs(0))[1:]
        classes = self.tensor_shape(self.subgraph.Outputs(0))[1]
        self.graph = Graph({"input": (1, channels, height, width)}, {"logits": (1, classes)})
        self.names = {self.subgraph.Inputs(0): "input", self.subgraph.Outputs(0): "logits"}
        self.pads: dict[int, tuple[int, list[int]]] = {}
        self.signs: dict[int, int] = {}
        self.scaled: dict[int, tuple[int, np.ndarray]] = {}

    def tensor_shape(self, index: int) -> tuple[int, ...]:
        tensor = self.subgraph.Tensors(index)
        return tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength()))

    def value(self, index: int) -> np.ndarray:
        tensor = self.subgraph.Tensors(index)
        data = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        return data.view(DTYPES[tensor.Type()]).reshape(self.tensor_shape(index))

    def name(self, index: int) -> str:
        return self.names.setdefault(index, f"t{index}")

    def constant(self, index: int, values: np.ndarray) -> str:
        return self.graph.constant(self.name(index), values)

    def convert(self) -> Graph:
        for position in range(self.subgraph.OperatorsLength()):
            operator = self.subgraph.Operators(position)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            kind = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            inputs = [operator.Inputs(i) for i in range(operator.InputsLength())]
            getattr(self, kind.lower())(operator, inputs, operator.Outputs(0))
        return self.graph

    def pad(self, _: tflite.Operator, inputs: list[int], output: int) -> None:
        (_, _), (top, bottom), (left, right), (_, _) = self.value(inputs[1]).tolist()
        self.pads[output] = (inputs[0], [top, left, bottom, right])

    def conv_2d(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        kernel = self.value(inputs[1]).transpose(0, 3, 1, 2)
        self.convolution(options(operator, tflite.Conv2DOptions()), inputs, kernel, 1, output)

    def depthwise_conv_2d(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        kernel = self.value(inputs[1]).transpose(3, 0, 1, 2)
        choices = options(operator, tflite.DepthwiseConv2DOptions())
        self.convolution(choices, inputs, kernel, len(kernel), output)

    def convolution(
        self, choices: object, inputs: list[int], kernel: np.ndarray, group: int, output: int
    ) -> None:
        strides = [choices.StrideH(), choices.StrideW()]
        source, pads = self.pads.get(inputs[0], (inputs[0], [0] * 4))
        if choices.Padding() == tflite.Padding.SAME:
            assert strides == [1, 1] and kernel.shape[2] % 2 == 1
            pads = [kernel.shape[2] // 2, kernel.shape[3] // 2] * 2
        weight = self.constant(inputs[1], kernel)
        bias = self.constant(inputs[2], self.value(inputs[2]))
        self.graph.add(
            "Conv",
            [self.name(source), weight, bias],
            self.name(output),
            group=group,
            kernel_shape=kernel.shape[2:],
            pads=pads,
            strides=strides,
        )

    def greater(self, _: tflite.Operator, inputs: list[int], output: int) -> None:
        assert not self.value(inputs[1]).any()
        self.signs[output] = inputs[0]

    def mul(self, _: tflite.Operator, inputs: list[int], output: int) -> None:
        slopes = self.value(inputs[1])
        assert (slopes == slopes[:, :1, :1]).all()
        self.scaled[output] = (inputs[0], slopes[0, 0, 0].reshape(-1, 1, 1))

    def select(self, _: tflite.Operator, inputs: list[int], output: int) -> None:
        condition, positive, negative = inputs
        source, slopes = self.scaled[negative]
        assert self.signs[condition] == source == positive
        slope = self.constant(negative, slopes)
        self.graph.add("PRelu", [self.name(source), slope], self.name(output))

    def add(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        options(operator, tflite.AddOptions())
        self.graph.add("Add", [self.name(i) for i in inputs], self.name(output))

    def reshape(self, _: tflite.Operator, inputs: list[int], output: int) -> None:
        assert self.tensor_shape(inputs[0])[1:3] == (1, 1)
        self.graph.add("Flatten", [self.name(inputs[0])], self.name(output))

    def fully_connected(self, operator: tflite.Operator, inputs: list[int], output: int) -> None:
        options(operator, tflite.FullyConnectedOptions())
        parts = [self.constant(index, self.value(index)) for index in inputs[1:] if index >= 0]
        self.graph.add("Gemm", [self.name(inputs[0]), *parts], self.name(output), transB=1)


def options(operator: tflite.Operator, kind: object) -> object:
    """Returns the operator's options. Asserts that they contain no activation."""
    table = operator.BuiltinOptions()
    if table is not None:
        kind.Init(table.Bytes, table.Pos)
        assert kind.FusedActivationFunction() == tflite.ActivationFunctionType.NONE
    return kind
