"""The four networks: as published, and as shipped."""

from __future__ import annotations

import onnx

from tools import fetch, graph, mobilefacenet, quantize, rewrite, tflite_graph, torch_pickle

NAMES = ("yunet", "sface", "mobilefacenet", "minifasnet")


def published(name: str) -> onnx.ModelProto:
    """Returns the published network in f32, with its layers as trained."""
    return source(name).model()


def shipped(name: str) -> bytes:
    """Returns the contents of the shipped file."""
    network = source(name)
    rewrite.simplify(network)
    quantize.quantize_weights(network)
    rewrite.tidy_names(network)
    return network.model().SerializeToString(deterministic=True)


def centre(name: str) -> list[float]:
    """Returns the mean output over faces: twice the shift of the last batch normalisation."""
    network = source(name)
    last = [node for node in network.nodes if node.op_type == "BatchNormalization"][-1]
    return [round(2 * float(value), 6) for value in network.constants[last.input[2]]]


def source(name: str) -> graph.Graph:
    """Returns the graph of the published network."""
    path = fetch.weights(name)
    if name == "mobilefacenet":
        return mobilefacenet.build(torch_pickle.read(path))
    if name == "minifasnet":
        return tflite_graph.Converter(path).convert()
    network = graph.load(onnx.load(str(path)))
    if name == "yunet":
        free_size(network)
    else:
        rewrite.drop_dropout(network)
        network.rename("data", "input")
        network.rename("fc1", "embedding")
    return network


def free_size(network: graph.Graph) -> None:
    """Replaces the exported input size of 640×640 by any height and width."""
    network.inputs = {"input": (1, 3, "height", "width")}
    for name, (_, _, values) in network.outputs.items():
        network.outputs[name] = (1, f"cells_{name.split('_')[1]}", values)
    for node in network.nodes:
        if node.op_type == "Resize":
            node.input[1] = ""  # region of interest, not used in this mode
