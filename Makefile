# Two commands do everything on a fresh Debian or Raspberry Pi OS with a Rust toolchain:
#   make demo   installs what is missing, builds, plays the main job without hardware, serves a page
#   make test   installs what is missing, builds, tests
# One Cargo profile (release) serves them all: tract takes minutes to build, and is built once.

SHELL := /bin/bash
CARGO := cargo
PROFILE := --release --locked
BIN := target/release/instored
DEMO_LISTEN ?= 127.0.0.1:8080

# What the build needs (a C compiler and libclang, for the kernel's camera interface), and what the
# tests need on top: the real broker and a real browser.
BUILD_PACKAGES := gcc libc6-dev libclang-dev
TEST_PACKAGES := mosquitto mosquitto-clients chromium chromium-driver ffmpeg

.PHONY: demo test check build accuracy config models fmt build-packages test-packages cargo-deny clean

demo: build
	@if command -v xdg-open >/dev/null && [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
	  (sleep 3; xdg-open http://$(DEMO_LISTEN)/ >/dev/null 2>&1) & fi; \
	exec $(BIN) demo --listen $(DEMO_LISTEN)

build: build-packages
	$(CARGO) build $(PROFILE)

test: build-packages test-packages
	$(CARGO) build $(PROFILE)
	$(CARGO) test $(PROFILE) -p instored
	$(CARGO) test $(PROFILE) -p instored-kernels
	$(CARGO) test $(PROFILE) -p instored-it

check: build-packages cargo-deny
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(PROFILE) -p instored --all-targets -- -D warnings
	$(CARGO) clippy $(PROFILE) -p instored-kernels --all-targets -- -D warnings
	$(CARGO) clippy $(PROFILE) -p instored-it --all-targets -- -D warnings
	$(CARGO) deny --all-features check licenses bans sources
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(PROFILE) -p instored -p instored-kernels --no-deps --document-private-items

# Measures recognition on pictures that are not part of the project: FACES names a folder with lfw/,
# nuaa/ and protocol/, laid out as docs/accuracy.md says. Reports go to target/accuracy.
accuracy: build
	@tests/accuracy "$(FACES)" $(BIN) target/accuracy

# The commented example file, made from the configuration's structs.
config: build
	$(BIN) config example > config/instored.toml

# Makes the shipped models anew from the registries' packages, and compares.
models:
	@dir=$$(mktemp -d) && models/build "$$dir" && \
	for f in models/*.onnx; do cmp "$$f" "$$dir/$${f##*/}" || exit 1; done && \
	echo 'the committed models are what models/build makes' && rm -r "$$dir"

fmt:
	$(CARGO) fmt --all

clean:
	$(CARGO) clean

build-packages:
	@./.ci/packages $(BUILD_PACKAGES)

test-packages:
	@./.ci/packages $(TEST_PACKAGES)

cargo-deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
