#!/bin/sh
# What a frame costs here and with what people would use instead: onnxruntime on the same weights,
# OpenCV's face classes, DeepFace, FAISS. One thread each, in turns on the same pictures, CPU time.
#
#   benches/peers/run.sh [--rounds N] [--json] [--only NAME]
#
# The first run makes a venv and fetches pinned packages and the published weights. INSTORED names
# the program; by default the one that `cargo build --release` makes. WORK is where the venv, the
# converted weights and the pictures are kept; by default target/peers.
set -eu
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
work=${WORK:-$root/target/peers}
program=${INSTORED:-$root/target/release/instored}

[ -x "$program" ] || { echo "build it first: cargo build --release (no $program)" >&2; exit 2; }
mkdir -p "$work"
if [ ! -e "$work/complete" ]; then
    [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --only-binary :all: -r "$here/requirements.txt" >&2
    touch "$work/complete"
fi
# The published weights come the way that the shipped models are made from them.
OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$root/models:$here" \
    exec "$work/venv/bin/python" "$here/compare.py" "$root" "$work" "$program" "$@"
