"""The four networks, as their authors published them and as they are shipped."""

from __future__ import annotations

import onnx

from tools import fetch, graph, mobilefacenet, quantize, rewrite, tflite_graph, torch_pickle

NAMES = ("yunet", "sface", "mobilefacenet", "minifasnet")


def original(name: str) -> onnx.ModelProto:
    """The published weights in f32, layer by layer as trained."""
    return source(name).model()


def product(name: str) -> bytes:
    """The file that is shipped."""
    network = source(name)
    rewrite.simplify(network)
    quantize.quantize_weights(network)
    rewrite.tidy_names(network)
    return network.model().SerializeToString(deterministic=True)


def centre(name: str) -> list[float]:
    """Twice the shift of the last batch normalisation: where faces lie in the output."""
    network = source(name)
    last = [node for node in network.nodes if node.op_type == "BatchNormalization"][-1]
    return [round(2 * float(value), 6) for value in network.constants[last.input[2]]]


def source(name: str) -> graph.Graph:
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
    """The detector was exported for 640×640 but holds for any height and width."""
    network.inputs = {"input": (1, 3, "height", "width")}
    for name, (_, _, values) in network.outputs.items():
        network.outputs[name] = (1, f"cells_{name.split('_')[1]}", values)
    for node in network.nodes:
        if node.op_type == "Resize":
            node.input[1] = ""  # a region of interest that the mode does not read
