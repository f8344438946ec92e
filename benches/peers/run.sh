#!/bin/sh
# Compares the CPU time of the program with that of its alternatives: onnxruntime on the same weights,
# OpenCV's face classes, DeepFace and FAISS. Each runs in one thread, alternately, on the same pictures.
#
#   benches/peers/run.sh [--rounds N] [--json] [--only NAME]
#
# The first run creates a virtual environment and downloads pinned packages and the published weights.
# Environment variables:
#   INSTORED  path of the program (default: target/release/instored)
#   WORK      folder for the environment, weights and pictures (default: target/peers)
set -eu
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
work=${WORK:-$root/target/peers}
program=${INSTORED:-$root/target/release/instored}

[ -x "$program" ] || { echo "$program does not exist; run: cargo build --release" >&2; exit 2; }
mkdir -p "$work"
if [ ! -e "$work/complete" ]; then
    [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --only-binary :all: -r "$here/requirements.txt" >&2
    touch "$work/complete"
fi
# models/tools provides the published weights.
OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$root/models:$here" \
    exec "$work/venv/bin/python" "$here/compare.py" "$root" "$work" "$program" "$@"
