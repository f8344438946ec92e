"""Whether the gallery's search and FAISS's IndexFlatIP give the same two answers.

    target/peers/venv/bin/python benches/peers/answers.py [--vectors N] [--queries N]

Random unit vectors, of 128 and of 512 values. FAISS searches them twice: as the gallery keeps them,
rounded to bytes, and as they were. The difference between the two is what a byte a value costs.
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
        vectors = unit(np.random.default_rng(1), arguments.vectors, dimension)
        queries = unit(np.random.default_rng(2), arguments.queries, dimension)
        own = answers(vectors, queries)
        for name, kept in (("rounded", rounded(vectors)), ("as they were", vectors)):
            index = faiss.IndexFlatIP(dimension)
            index.add(kept)
            _, found = index.search(queries, 2)
            first, both = (found[:, 0] == own[:, 0]).sum(), (found == own).all(axis=1).sum()
            print(f"{dimension} values, {name}: of {len(own)} the first {first}, both {both}", flush=True)


def unit(random: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    vectors = random.standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def rounded(vectors: np.ndarray) -> np.ndarray:
    scales = np.abs(vectors).max(axis=1, keepdims=True) / np.float32(127)
    return np.round(vectors / scales) * scales


def answers(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "vectors", Path(folder) / "queries"]
        for path, values in zip(paths, (vectors, queries)):
            path.write_bytes(values.astype("<f4").tobytes())
        program = ROOT / "target/release/examples/search"
        out = subprocess.run([program, str(vectors.shape[1]), *paths], check=True, capture_output=True)
    return np.array([line.split() for line in out.stdout.splitlines()], dtype=np.int64)


if __name__ == "__main__":
    main()
