#!/bin/sh
# Counts the instructions of one run of each network on the cores of the Raspberry Pi 4 and 5 (Cortex-A72
# and A76) with QEMU. The counts are exact and the same on every machine.
#
#   benches/arm64/run.sh
#
# Requirements: a Rust toolchain with the aarch64 target, aarch64-linux-gnu-gcc, the aarch64 C library, and
# qemu-aarch64 before version 8, which supports the plugin.
# Environment variables:
#   RUSTC, CARGO, LINKER, CC, QEMU  programs to use
#   WORK                            folder for the build (default: target/arm64)
set -eu
here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
work=${WORK:-$root/target/arm64}
target=aarch64-unknown-linux-gnu
mkdir -p "$work"
${CC:-cc} -shared -fPIC -O2 -o "$work/libicount.so" "$here/icount.c"
cd "$root"
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=${LINKER:-aarch64-linux-gnu-gcc} CARGO_TARGET_DIR=$work \
    "${CARGO:-cargo}" build --quiet --release --locked --target $target -p instored-kernels --example layers
layers=$work/$target/release/examples/layers

count() { # CORE ARGUMENT…
    core=$1
    shift
    "${QEMU:-qemu-aarch64}" -cpu "$core" -plugin "$work/libicount.so,out=$work/count" "$layers" "$@" >/dev/null
    tr -cd 0-9 <"$work/count"
}

printf '%-14s %12s %12s %12s   million instructions\n' '' A72 A76 'A76 floats'
for network in mobilefacenet sface yunet; do
    line=$(printf '%-14s' "$network")
    for options in cortex-a72 cortex-a76 'cortex-a76 floats'; do
        set -- $options
        core=$1
        shift
        three_runs=$(count "$core" "$network" "$@" 3)
        one_run=$(count "$core" "$network" "$@" 1)
        line="$line $(awk "BEGIN { printf \"%12.1f\", ($three_runs - $one_run) / 2e6 }")"
    done
    echo "$line"
done
