"""Reads the tensors of a PyTorch file in the legacy format (not zipped), without PyTorch.

The file is a sequence of pickles followed by raw storages. A pickle can name any callable. This
reader therefore accepts tensors and ordered dicts only, replaces network layers by records without
behaviour, and rejects everything else.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

LAYERS = {
    "models.network_def.mobilefacenet_def",
    "torch.nn.modules.activation",
    "torch.nn.modules.batchnorm",
    "torch.nn.modules.container",
    "torch.nn.modules.conv",
    "torch.nn.modules.linear",
    "torch.nn.parallel.data_parallel",
}


class Layer:
    """Record in place of any `torch.nn.Module`: attributes without behaviour."""


@dataclass
class Storage:
    dtype: np.dtype
    values: Optional[np.ndarray] = None


@dataclass
class Tensor:
    storage: Storage
    offset: int
    shape: tuple[int, ...]

    def array(self) -> np.ndarray:
        count = int(np.prod(self.shape))
        return self.storage.values[self.offset : self.offset + count].reshape(self.shape)


def rebuild_tensor(storage: Storage, offset: int, shape: tuple, stride: tuple, *_: Any) -> Tensor:
    expected = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    if stride != expected:
        raise pickle.UnpicklingError(f"a tensor of shape {shape} has the strides {stride}")
    return Tensor(storage, offset, tuple(shape))


ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
    ("torch", "device"): lambda *_: None,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
}


class Reader(pickle.Unpickler):
    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module in LAYERS:
            return Layer
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a file of weights")

    def persistent_load(self, record: tuple) -> Any:
        kind, content, *rest = record
        if kind == "module":
            return content
        if kind == "storage":
            return self.storages.setdefault(rest[0], Storage(content))
        raise pickle.UnpicklingError(f"unknown record {kind!r}")


def read(path: Path) -> dict[str, np.ndarray]:
    """Returns every parameter and buffer by its dotted name."""
    with path.open("rb") as file:
        if Reader(file).load() != MAGIC or Reader(file).load() != PROTOCOL:
            raise pickle.UnpicklingError(f"{path.name} is not a PyTorch file in the legacy format")
        Reader(file).load()  # sizes of C types, not needed
        reader = Reader(file)
        network = reader.load()
        for key in Reader(file).load():
            storage = reader.storages[key]
            (count,) = struct.unpack("<q", file.read(8))
            storage.values = np.frombuffer(file.read(count * storage.dtype.itemsize), storage.dtype)
    return {
        name: tensor.array() for name, tensor in tensors(network.__dict__["_modules"]["module"])
    }


def tensors(layer: Layer, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for group in ("_parameters", "_buffers"):
        for name, tensor in layer.__dict__[group].items():
            if tensor is not None:
                yield prefix + name, tensor
    for name, child in layer.__dict__["_modules"].items():
        yield from tensors(child, f"{prefix}{name}.")
