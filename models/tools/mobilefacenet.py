"""Builds the MobileFaceNet of FaceX-Zoo from the parameter names of its state dictionary."""

from __future__ import annotations

import numpy as np

from tools.graph import Graph

EPSILON = 1e-5  # PyTorch's default for batch normalisation


class Builder:
    def __init__(self, state: dict[str, np.ndarray]) -> None:
        self.state = state
        self.graph = Graph({"input": (1, 3, 112, 112)}, {"embedding": (1, 512)})

    def parameter(self, name: str) -> str:
        return self.graph.constant(name, self.state[name])

    def normalise(self, x: str, name: str, output: str) -> str:
        parts = ("weight", "bias", "running_mean", "running_var")
        parameters = [self.parameter(f"{name}.{part}") for part in parts]
        return self.graph.add("BatchNormalization", [x, *parameters], output, epsilon=EPSILON)

    def block(self, x: str, name: str, stride: int = 1) -> str:
        """Adds a convolution, batch normalisation and, if the block has slopes, PReLU."""
        weight = self.state[f"{name}.conv.weight"]
        size = weight.shape[2]
        x = self.graph.add(
            "Conv",
            [x, self.parameter(f"{name}.conv.weight")],
            f"{name}.conv",
            group=weight.shape[0] if weight.shape[1] == 1 else 1,
            kernel_shape=[size, size],
            pads=[1 if size == 3 else 0] * 4,
            strides=[stride, stride],
        )
        x = self.normalise(x, f"{name}.bn", f"{name}.bn")
        if f"{name}.prelu.weight" not in self.state:
            return x
        slopes = self.state[f"{name}.prelu.weight"].reshape(-1, 1, 1)
        slope = self.graph.constant(f"{name}.prelu.weight", slopes)
        return self.graph.add("PRelu", [x, slope], f"{name}.prelu")

    def bottleneck(self, x: str, name: str, stride: int = 1) -> str:
        x = self.block(x, f"{name}.conv")
        x = self.block(x, f"{name}.conv_dw", stride)
        return self.block(x, f"{name}.project")

    def residuals(self, x: str, name: str, count: int) -> str:
        for index in range(count):
            branch = self.bottleneck(x, f"{name}.model.{index}")
            x = self.graph.add("Add", [x, branch], f"{name}.model.{index}.sum")
        return x


def build(state: dict[str, np.ndarray]) -> Graph:
    net = Builder(state)
    x = net.block("input", "conv1", stride=2)
    x = net.block(x, "conv2_dw")
    x = net.bottleneck(x, "conv_23", stride=2)
    x = net.residuals(x, "conv_3", 4)
    x = net.bottleneck(x, "conv_34", stride=2)
    x = net.residuals(x, "conv_4", 6)
    x = net.bottleneck(x, "conv_45", stride=2)
    x = net.residuals(x, "conv_5", 2)
    x = net.block(x, "conv_6_sep")
    x = net.block(x, "conv_6_dw")
    x = net.graph.add("Flatten", [x], "flat")
    x = net.graph.add("Gemm", [x, net.parameter("linear.weight")], "linear", transB=1)
    net.normalise(x, "bn", "embedding")
    return net.graph
