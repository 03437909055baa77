# Thin front for people and scripts; meson does the work. `make help` lists the targets.

.DEFAULT_GOAL := build-arm64-linux
.SUFFIXES:

RELEASE := build-arm64-linux
DEBUG   := build-arm64-linux-debug
ROOT    ?= tiny
JOBS    ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# Expanded when a recipe runs, after setup may have installed things. The pinned compiler is
# clang-19; CC=... on the command line or in the environment chooses another.
PYTHON   = $(firstword $(wildcard /usr/bin/python3) python3)
FOUND_CC = $(shell command -v clang-19 || command -v clang || echo cc)
COMPILER = $(if $(filter default,$(origin CC)),$(FOUND_CC),$(CC))
SETUP   := tools/setup.sh

# configure DIRECTORY BUILDTYPE
define configure
@test -f $(1)/build.ninja || CC="$(COMPILER)" meson setup $(1) --buildtype=$(2) $(MESON_OPTIONS) \
    >$(1).log 2>&1 || { cat $(1).log; rm -rf $(1); exit 1; }; rm -f $(1).log
endef
# ninja -n first: a build with nothing to do says nothing.
QUIET = $(if $(MAKE_TERMOUT),,--quiet)
compile = @ninja -C $(1) -n | grep -q 'no work to do' || ninja -C $(1) -j $(JOBS) $(QUIET)

.PHONY: help
help:
	@echo "make                      release build into $(RELEASE)/"
	@echo "make run [ROOT=tiny]      build, make roots/ROOT if missing, and start a shell in it"
	@echo "make test                 everything a change must pass"
	@echo "make check                the checkers alone (layers, globals, sizes, locks, docs, format)"
	@echo "make test-isa             instruction differential against qemu-aarch64, long form"
	@echo "make build-arm64-linux-debug, build-arm64-linux-all"
	@echo "make root-tiny, root-base, root-LANE   make roots/NAME; lanes: tools/rootfs/build.py --list"
	@echo "make test-arm64-runtime-coverage       gate: programs (ROOTFS_LANES=tiny: some)"
	@echo "make test-arm64-cli-corner-smoke       gate: programs on a terminal"
	@echo "make test-arm64-npm-cli-runtime-coverage  gate: command lines from npm"
	@echo "make coverage             which branches of kernel/ the tests take, worst file first"
	@echo "make bench                speed against native and qemu-aarch64-static"
	@echo "make docs                 write the generated ledgers in docs/ anew"
	@echo "make format               clang-format over the tracked sources"
	@echo "make clean                remove the build directories (roots/ stays)"

.PHONY: setup setup-root setup-test setup-bench
setup:
	@$(SETUP) build
setup-root:
	@$(SETUP) build root
setup-test:
	@$(SETUP) test
setup-bench:
	@$(SETUP) bench

.PHONY: build-arm64-linux build-arm64-linux-debug build-arm64-linux-all
build-arm64-linux: setup
	$(call configure,$(RELEASE),release)
	$(call compile,$(RELEASE))
build-arm64-linux-debug: setup
	$(call configure,$(DEBUG),debug)
	$(call compile,$(DEBUG))
build-arm64-linux-all: build-arm64-linux build-arm64-linux-debug

# roots/NAME is kept when it exists: it may hold somebody's work.
root-%: setup-root build-arm64-linux
	@$(PYTHON) tools/rootfs/make_root.py $* --build $(RELEASE)

.PHONY: run
run: root-$(ROOT)
	@$(RELEASE)/ish -f roots/$(ROOT) /bin/sh -l || [ $$? -ne 125 ] # 125: ish failed, not the shell

# A build configured before the tests' tools were there knows fewer tests: it is configured again.
.PHONY: build-tests test check test-isa
build-tests: setup-test
	$(call configure,$(RELEASE),release)
	@test -f $(RELEASE)/tests-known || \
	    { meson setup --reconfigure $(RELEASE) >/dev/null && touch $(RELEASE)/tests-known; }
	$(call compile,$(RELEASE))
test: build-tests
	@$(PYTHON) tools/run_tests.py $(RELEASE)
check: build-tests
	@$(PYTHON) tools/run_tests.py $(RELEASE) --suite check
test-isa: build-tests
	@$(PYTHON) tools/run_tests.py $(RELEASE) --suite isa --suite isa-long

.PHONY: coverage
coverage: setup-test
	@$(PYTHON) tools/coverage.py $(COVERAGE)

# Gates take ISH_BIN, ROOTFS, ROOTFS_LANES, REPORT_DIR, TIMEOUT_S, INSTALL_TIMEOUT_S and RUNNER from
# the environment or the command line; docs/TESTING.md explains them.
GATE = @ISH_BIN="$(or $(ISH_BIN),$(RELEASE)/ish)" $(PYTHON) tests/gates/run.py
export ROOTFS ROOTFS_LANES REPORT_DIR TIMEOUT_S INSTALL_TIMEOUT_S RUNNER

.PHONY: test-arm64-runtime-coverage test-arm64-cli-corner-smoke test-arm64-npm-cli-runtime-coverage
test-arm64-runtime-coverage: build-tests
	$(GATE) --gate runtime-coverage
test-arm64-cli-corner-smoke: build-tests
	$(GATE) --gate cli-corner-smoke
test-arm64-npm-cli-runtime-coverage: build-tests
	$(GATE) --gate npm-cli-runtime-coverage

.PHONY: bench
bench: setup-bench build-arm64-linux
	@$(PYTHON) tests/bench/compare.py --ish $(RELEASE)/ish $(BENCH)

.PHONY: docs format
docs: build-tests
	@$(PYTHON) tools/check-docs.py --write
format: setup-test
	@git ls-files '*.c' '*.h' ':!deps' | xargs clang-format-19 -i

.PHONY: clean
clean:
	@rm -rf $(RELEASE) $(DEBUG) build-cov
