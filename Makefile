# The face of the project. `make` alone shows what there is. Everything is CMake underneath (CMakePresets.json): use
# that directly if you prefer.

MODEL ?= virtual
PORT ?= 8080
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ROUNDS ?= 5
CTEST_ARGS ?=
PARTS ?=
PRESET ?= tsan
SECONDS ?= 600

# ccache where it is installed. Looked up when a recipe runs: the recipe before may have installed it.
ccache = CMAKE_C_COMPILER_LAUNCHER="$$(command -v ccache)" CMAKE_CXX_COMPILER_LAUNCHER="$$(command -v ccache)"
sources = git ls-files --cached --others --exclude-standard

.DEFAULT_GOAL := help
.PHONY: help run run-built build test bench bench-readme scaling scaling-page stress asan tsan debug \
  format format-check tidy clean screenshot \
  dependencies dependencies-test dependencies-sanitizers \
  dependencies-lint dependencies-benchmarks

## Run

run: dependencies ## Start the photo gallery on http://localhost:PORT; MODEL=single|threads|pool|virtual
	$(call configure,release)
	$(call build,release,--target gallery moderator)
	$(start_gallery)

run-built: ## The same with what was built before
	$(start_gallery)

## Build and test

build: dependencies ## Build everything, optimised
	$(call configure,release)
	$(call build,release)

test: dependencies-test ## Build everything and run all tests
	$(call configure,release)
	$(call build,release,--target all all_verify_interface_header_sets)
	$(call ctest,release)

debug: dependencies-test ## The same with assertions and without optimisation
	$(call configure,debug)
	$(call build,debug)
	$(call ctest,debug)

asan: dependencies-sanitizers ## The tests under AddressSanitizer and UndefinedBehaviorSanitizer; PARTS='base io'
	$(call configure,asan)
	$(call build,asan,$(part_targets))
	$(call ctest,asan,$(part_labels))

tsan: dependencies-sanitizers ## The same under ThreadSanitizer
	$(call configure,tsan)
	$(call build,tsan,$(part_targets))
	$(call ctest,tsan,$(part_labels))

stress: dependencies-sanitizers ## Random stress of scheduler, channels, seats; SECONDS=600 each; PRESET=tsan, release
	$(call configure,$(PRESET))
	$(call build,$(PRESET),--target stress_tests task_frame_sizes_test io_hand_over_test)
	@WEFT_FRAME_RUNS=1000 build/$(PRESET)/tests/task_frame_sizes_test
	@WEFT_STRESS_SECONDS=$(SECONDS) build/$(PRESET)/tests/stress_million_test
	@WEFT_STRESS_SECONDS=$(SECONDS) build/$(PRESET)/tests/stress_scheduler_stress_test --gtest_filter='*at_random*'
	@WEFT_STRESS_SECONDS=$(SECONDS) build/$(PRESET)/tests/io_hand_over_test --gtest_filter='*at_random*'

bench: dependencies-benchmarks ## Measure weft beside its peers; ONLY=name or regex for less, ROUNDS=5
	$(call configure,release,-DWEFT_BUILD_BENCHMARKS=ON)
	$(call build,release,--target benchmarks)
	@bench/run.py --build build/release --rounds $(ROUNDS) $(BENCH_ARGS) "$(ONLY)"

scaling: dependencies-benchmarks ## Measure fork-join with 1 to all threads, with a plot and a fit; ONLY=name, ROUNDS=5
	$(call configure,release,-DWEFT_BUILD_BENCHMARKS=ON)
	$(call build,release,--target compute_fork_join_bench)
	@bench/scaling.py --build build/release --rounds $(ROUNDS) "$(ONLY)"

scaling-page: ## Write what `make scaling` measured last into docs/scaling.md
	@bench/scaling.py --page

bench-readme: ## Write what `make bench` measured last into the README
	@bench/run.py --readme

screenshot: dependencies-test ## Make the README's picture of the gallery's page anew
	$(call configure,release)
	$(call build,release,--target gallery moderator)
	@mkdir -p docs/images
	@node tests/end_to_end/page/screenshot.mjs --gallery build/release/examples/gallery/gallery \
	  --moderator build/release/examples/moderator/moderator --playwright build/browser --output docs/images/gallery.png

## Look after the code

format: dependencies-lint ## Format every C++ file in place
	@$(sources) '*.hpp' '*.cpp' | xargs clang-format-19 -i

format-check: dependencies-lint ## Fail if `make format` would change something
	@$(sources) '*.hpp' '*.cpp' | xargs clang-format-19 --dry-run --Werror

tidy: dependencies-sanitizers dependencies-lint ## clang-tidy over what the tidy preset compiles; TIDY=regex for less
	$(call configure,tidy)
	@scripts/run-clang-tidy build/tidy "$(TIDY)"

clean: ## Delete what was built; the gallery's photos stay
	rm -rf build

help: ## Show this
	@if [ -t 1 ]; then bold=$$(printf '\033[1m'); blue=$$(printf '\033[36m'); plain=$$(printf '\033[0m'); fi; \
	echo "$${bold}weft$${plain}: virtual threads, coroutines, an event loop and CPU parallelism for C++ backends"; \
	awk -v bold="$$bold" -v blue="$$blue" -v plain="$$plain" -F ':.*## ' \
	  '/^## / { printf "\n%s%s%s\n", bold, substr($$0, 4), plain } \
	   /^[a-z-]+:.*## / { printf "  %smake %-14s%s%s\n", blue, $$1, plain, $$2 }' $(MAKEFILE_LIST); \
	echo; echo "Variables: MODEL=$(MODEL) PORT=$(PORT) JOBS=$(JOBS) CTEST_ARGS='-R name'"

# How the steps are done

dependencies:
	@scripts/install-dependencies
dependencies-test:
	@scripts/install-dependencies --browser --arm64
dependencies-sanitizers:
	@scripts/install-dependencies --sanitizers
dependencies-benchmarks:
	@scripts/install-dependencies --benchmarks
dependencies-lint:
	@scripts/install-dependencies --lint

# configure(preset, more arguments): a second when nothing changed. Says something the first time and when it fails.
define configure
@mkdir -p build/$(1); [ -f build/$(1)/build.ninja ] || echo "Configuring build/$(1)"; \
$(ccache) cmake --preset $(1) $(2) >build/$(1)/configure.log 2>&1 || { cat build/$(1)/configure.log >&2; exit 1; }
endef
# build(preset, more arguments)
build = @NINJA_STATUS="[%f/%t] " cmake --build --preset $(1) -j $(JOBS) $(2)
# In the shell's place, so that make's signals reach it.
start_gallery = @exec env MODEL="$(MODEL)" PORT="$(PORT)" scripts/run-gallery
# ctest(preset, more arguments): the tests of one preset, as many at once as there are cores.
ctest = @$(ccache) ctest --preset $(1) -j $(JOBS) $$(test -t 1 && echo --progress) $(2) $(CTEST_ARGS)
# What builds and selects the tests of PARTS alone; all when it is empty.
part_targets = $(if $(PARTS),--target $(addsuffix _tests,$(PARTS)))
part_labels = $(if $(PARTS),-L '^($(subst $(space),|,$(strip $(PARTS))))$$')
space := $(subst ,, )
