"""Compares the top 2 of the gallery search with those of FAISS's IndexFlatIP.

    target/peers/venv/bin/python benches/peers/search_results.py [--vectors N] [--queries N]

The vectors are random unit vectors of 128 and of 512 values. FAISS searches them twice: quantized to
int8 as in the gallery, and in f32. The difference between both is the effect of the quantization.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import faiss
import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    arguments = parser.parse_args()
    build = ["cargo", "build", "--quiet", "--release", "-p", "instored-kernels", "--example", "search"]
    subprocess.run(build, cwd=ROOT, check=True)
    for dimension in (128, 512):
        vectors = unit_vectors(np.random.default_rng(1), arguments.vectors, dimension)
        queries = unit_vectors(np.random.default_rng(2), arguments.queries, dimension)
        own = gallery_top2(vectors, queries)
        for name, indexed in (("int8", quantized(vectors)), ("f32", vectors)):
            index = faiss.IndexFlatIP(dimension)
            index.add(indexed)
            _, found = index.search(queries, 2)
            first, both = (found[:, 0] == own[:, 0]).sum(), (found == own).all(axis=1).sum()
            print(
                f"{dimension} values, {name}: same first result {first}, same two results {both}, "
                f"queries {len(own)}",
                flush=True,
            )


def unit_vectors(random: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    vectors = random.standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def quantized(vectors: np.ndarray) -> np.ndarray:
    scales = np.abs(vectors).max(axis=1, keepdims=True) / np.float32(127)
    return np.round(vectors / scales) * scales


def gallery_top2(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "vectors", Path(folder) / "queries"]
        for path, values in zip(paths, (vectors, queries)):
            path.write_bytes(values.astype("<f4").tobytes())
        program = ROOT / "target/release/examples/search"
        out = subprocess.run([program, str(vectors.shape[1]), *paths], check=True, capture_output=True)
    return np.array([line.split() for line in out.stdout.splitlines()], dtype=np.int64)


if __name__ == "__main__":
    main()
