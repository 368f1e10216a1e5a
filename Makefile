# A thin wrapper over CMake. Targets: all (default), test, random, suite, hostile, demo,
# install, format, lint, sanitize, clean, setup.
# Variables: BUILD, JOBS, PREFIX, DESTDIR, WERROR=ON, CMAKE_ARGS.
BUILD ?= build
PREFIX ?= /usr/local
WERROR ?= OFF
JOBS ?= $(shell nproc)
CMAKE_ARGS ?=

# A build directory keeps the generator it was made with.
generator = $(if $(wildcard $(1)/CMakeCache.txt),,$(if $(shell command -v ninja),-G Ninja))
configure = cmake -S . -B $(1) $(call generator,$(1)) -DCMAKE_INSTALL_PREFIX=$(PREFIX) \
    -DTENON_WERROR=$(WERROR) $(CMAKE_ARGS)

.PHONY: all configure setup test random suite hostile demo install format lint sanitize clean

all: configure
	cmake --build $(BUILD) -j $(JOBS)

configure:
	@$(call configure,$(BUILD)) --log-level=WARNING

setup:
	scripts/setup.sh build

test:
	scripts/setup.sh test
	$(MAKE) all
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

# 2,000 random graphs, compiled, against the reference evaluator.
random:
	scripts/setup.sh test
	$(MAKE) all
	ctest --test-dir $(BUILD) -C Slow -R '^random/sweep$$' --output-on-failure

# The ONNX backend suite at every level, where TENON_ONNX_SUITE says or beside the project.
suite:
	scripts/setup.sh test
	$(MAKE) all
	ctest --test-dir $(BUILD) -C Slow -R '^tools/suite$$' --output-on-failure

# Models cut at every byte and 5,000 changed ones; BUILD=build-sanitize for sanitizers as well.
hostile:
	scripts/setup.sh test
	$(MAKE) all
	ctest --test-dir $(BUILD) -C Slow -R '^tools/hostile_sweep$$' --output-on-failure

demo:
	scripts/setup.sh demo
	$(MAKE) all
	TENON_BUILD_DIR=$(BUILD) scripts/demo.sh

install: all
	DESTDIR=$(DESTDIR) cmake --install $(BUILD)

format:
	scripts/format.sh

lint:
	scripts/setup.sh lint
	$(MAKE) configure
	scripts/lint.sh $(BUILD) $(JOBS)

sanitize:
	scripts/setup.sh test
	$(MAKE) all BUILD=$(BUILD)-sanitize CMAKE_ARGS="$(CMAKE_ARGS) -DTENON_SANITIZE=ON"
	ctest --test-dir $(BUILD)-sanitize --output-on-failure -j $(JOBS)

clean:
	rm -rf $(BUILD) $(BUILD)-sanitize
