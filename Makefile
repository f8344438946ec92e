# Main targets, on Debian or Raspberry Pi OS with a Rust toolchain:
#   make demo   installs missing packages, builds, runs the demonstration with its display
#   make test   installs missing packages, builds, runs all tests
# All targets use the Cargo profile release, because tract takes minutes to build. Only the Debian packages use
# the profile dist, which produces a smaller program and takes as long again.

SHELL := /bin/bash
CARGO := cargo
PROFILE := --release --locked
# The black-box tests use other features of shared dependencies. Together with them, tract would be
# built a second time.
SHIPPED := --workspace --exclude instored-it --exclude instored-faults
BIN := target/release/instored
DEMO_LISTEN ?= 127.0.0.1:8080

# Debian packages for the build (C compiler and libclang for the kernel's camera interface), the demonstration
# (broker, time zones of orders) and the tests (MQTT clients, browser).
BUILD_PACKAGES := gcc libc6-dev libclang-dev
DEMO_PACKAGES := mosquitto tzdata
TEST_PACKAGES := $(DEMO_PACKAGES) mosquitto-clients chromium chromium-driver ffmpeg faketime \
  python3-paho-mqtt
FUZZ_PACKAGES := g++
# Debian packages for `make deb` and for the virtual machines of the tests.
DEB_PACKAGES := dpkg-dev lintian lld-19
VM_PACKAGES := mmdebstrap arch-test kmod cpio e2fsprogs gcc-12 make libelf1 ffmpeg \
  qemu-system-x86 qemu-system-arm qemu-user qemu-user-binfmt gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu

# Files in the packages have the time of the last commit, so that packaging is reproducible. The variable is set
# for packaging only: build scripts that read it would run again after each commit.
DEB := target/deb
PACK = SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || date +%s)} \
  $(CARGO) deb --profile dist --no-build --strip --output $(DEB)/

.PHONY: demo test check check-units build accuracy fuzz screenshots config models fmt deb deb-amd64 deb-arm64 manual \
  vm-test vm-test-arm64 build-packages demo-packages test-packages fuzz-packages cargo-deny cargo-deb clean

demo: demo-packages build
	@if command -v xdg-open >/dev/null && [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
	  (sleep 3; xdg-open http://$(DEMO_LISTEN)/ >/dev/null 2>&1) & fi; \
	exec $(BIN) demo --listen $(DEMO_LISTEN)

build: build-packages
	$(CARGO) build $(PROFILE) -p instored

test: build-packages test-packages
	$(CARGO) build $(PROFILE) -p instored
	$(CARGO) test $(PROFILE) $(SHIPPED)
	$(CARGO) test $(PROFILE) -p instored-it -p instored-faults

# Fuzzes the parsers of files, messages, requests and camera frames, each target for FUZZ_SECONDS.
FUZZ_SECONDS ?= 60
fuzz: fuzz-packages
	fuzz/run $(FUZZ_SECONDS)

check: build-packages cargo-deny check-units
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(PROFILE) --workspace --all-targets -- -D warnings
	$(CARGO) deny --all-features check licenses bans sources
	$(CARGO) test $(PROFILE) $(SHIPPED) --test guards
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(PROFILE) --workspace --no-deps --document-private-items

# Checks the exposure of the systemd units, from 0 (none) to 10.
check-units:
	@./.ci/packages systemd
	@for unit in systemd/*.service; do \
	  systemd-analyze security --offline=yes --threshold=13 "$$unit" | tail -n 1 && \
	  test "$${PIPESTATUS[0]}" = 0 || { echo "$$unit is exposed above 1.3" >&2; exit 1; }; done

# Debian packages for PCs and for 64-bit Raspberry Pi OS, in target/deb.
deb: deb-amd64 deb-arm64

deb-amd64: manual cargo-deb
	cross/dist
	$(PACK)

deb-arm64: manual cargo-deb
	cross/debian
	CARGO_TARGET_DIR=target/cross $(PACK) --target aarch64-unknown-linux-gnu

# Generates manual pages and shell completions.
manual: build
	$(BIN) manual target/manual

# Tests the package in a virtual machine with kernel devices, systemd and a broker.
vm-test: deb-amd64
	@./.ci/packages $(VM_PACKAGES)
	tests/vm/run amd64

vm-test-arm64: deb-arm64
	@./.ci/packages $(VM_PACKAGES)
	tests/vm/run arm64
	tests/vm/raspi

# Measures recognition on pictures outside of the repository: FACES is a folder with lfw/, nuaa/ and protocol/
# as described in docs/accuracy.md. Writes reports to target/accuracy.
accuracy: build
	@tests/accuracy "$(FACES)" $(BIN) target/accuracy

# Takes the pictures of the README from the running demonstration.
screenshots: demo-packages build
	@./.ci/packages chromium chromium-driver
	tests/screenshots $(BIN) docs/images

# Generates the commented example file and the reference from the configuration's structs, and the broker's
# sample files from the table of rights.
config: build
	$(BIN) config example > config/instored.toml
	$(BIN) config reference > docs/configuration.md
	$(BIN) --config /dev/null config acl > config/mosquitto/instored.acl
	$(BIN) --config /dev/null config broker > config/mosquitto/instored.conf

# Rebuilds the shipped models from the packages of the registries and compares them.
models:
	@dir=$$(mktemp -d) && models/build "$$dir" && \
	for f in models/*.onnx; do cmp "$$f" "$$dir/$${f##*/}" || exit 1; done && \
	echo 'the committed models are reproducible' && rm -r "$$dir"

fmt:
	$(CARGO) fmt --all

clean:
	$(CARGO) clean

build-packages:
	@./.ci/packages $(BUILD_PACKAGES)

demo-packages:
	@./.ci/packages $(DEMO_PACKAGES)

test-packages:
	@./.ci/packages $(TEST_PACKAGES)

fuzz-packages:
	@./.ci/packages $(FUZZ_PACKAGES)

cargo-deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny

cargo-deb:
	@./.ci/packages $(DEB_PACKAGES)
	@command -v cargo-deb >/dev/null || $(CARGO) install --locked cargo-deb
