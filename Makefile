# One word for each task. `make demo` and `make test` work in a fresh clone: they install what is
# missing (saying so first) and build. The work is in scripts/; this file says what needs what.

SHELL := bash
.SUFFIXES:
.PHONY: build demo demo-c demo-swift test check test-swift test-abi test-python test-server \
        test-readme test-scanner test-sim test-cuts test-soak test-tokens test-packaging test-bench test-fuzz test-conformance \
        asan tsan sanitizers fuzz sim sim-mutants sessions cuts rotation soak connect-cycles conformance \
        bench bench-memory bench-server bench-session bench-tokens headline headline-fit \
        dependencies test-dependencies fresh clean

CFLAGS ?= -O2 -g
C_FLAGS := -std=c11 -Wall -Wextra -Werror -pedantic -IInclude $(CFLAGS)
C_LIBS := -Lbuild/lib -lresponsesws -Wl,-rpath,'$$ORIGIN/../lib'

# Directories are listed with the files, so that a file taken away is noticed too.
SWIFT_INPUTS := Package.swift $(shell find Sources Include Examples Tests/ScannerAgreement Tests/Conformance \
                  Tests/Simulation Tests/TokenAgreement Benchmarks/session 2>/dev/null)

build: build/.built

build/.built: $(SWIFT_INPUTS) scripts/build | dependencies
	@scripts/build
	@touch $@

# --- see it work -------------------------------------------------------------------------------

demo: build
	@scripts/demo python

demo-c: build/bin/agent-c
	@scripts/demo c

demo-swift: build
	@scripts/demo swift

build/bin/%-c: bindings/c/examples/%.c Include/responsesws.h build/.built
	@$(CC) $(C_FLAGS) $< -o $@ $(C_LIBS) -lcjson

# --- know that it works ------------------------------------------------------------------------

# Begun in this order, as many side by side as there are cores: the long ones first.
TEST_PARTS := check test-swift test-python sanitizers test-abi test-fuzz test-packaging test-server test-tokens \
              test-conformance test-bench test-cuts test-scanner test-sim test-soak test-readme

test: build test-dependencies
	@scripts/run-tests $(TEST_PARTS)

check test-abi test-python test-server test-readme test-scanner test-sim test-cuts test-soak test-tokens \
        test-packaging test-bench test-conformance sanitizers asan tsan: build test-dependencies
	@scripts/run-tests $@

# Both build what they need by themselves.
test-swift test-fuzz: test-dependencies
	@scripts/run-tests $@

# Each parser on mutations of valid traffic, for TIME seconds each; all, or TARGETS="frames urls".
TIME ?= 300
# All cases of the Autobahn testsuite, some minutes; `make test` runs a part of them.
conformance: build
	@scripts/conformance

fuzz: test-dependencies
	@scripts/fuzz --time $(TIME) $(TARGETS)

# 1,000 sessions of one client, each with a tool loop of 20 turns, on a server with lanes and one without.
sessions: build test-dependencies
	@RESPONSESWS_TEST_SESSIONS=1000 build/venv/bin/python -m pytest -q -p no:cacheprovider --durations=2 \
	  bindings/python/tests/test_sessions.py -k hundreds

# The machine against a simulated network, clock and server. SEED=n runs one seed again and shows what happens.
sim: build
ifdef SEED
	@.build/release/simulate $(SEED) 1 --trace
else
	@.build/release/simulate 1 $(or $(COUNT),10000) --all-rules
endif

# The same with each rule of the machine out of force in turn: each must be noticed.
sim-mutants: build
	@scripts/sim-mutants $(RULES)

# A session's connection cut at every byte, plain and over TLS, some 12 minutes; `make test` has a sample. CUTS="--seed 2".
cuts: build
	@Tests/Cuts/run --full $(CUTS)

# Sessions that move to new connections before the server's age limit, for three minutes: what it costs a turn.
rotation: build
	@Tests/Cuts/rotation

# Sessions doing all they can for TIME seconds, while memory, descriptors and threads must not grow.
soak: TIME = 3600
soak: build test-dependencies
	@build/venv/bin/python Tests/Soak/run --seconds $(TIME)

# Ten thousand connections that come and go, in three ways, plain and over TLS: nothing stays of them.
connect-cycles: build test-dependencies
	@build/venv/bin/python Tests/Soak/connect-cycles

# A Debian with nothing but what the README asks for, in a chroot (root, network, some minutes).
fresh:
	@scripts/fresh-machine

# --- know how fast it is (docs/benchmarks.md) ----------------------------------------------------

# BENCH_FLAGS="--rounds 1 --only C" and the like.
bench: build
	@scripts/bench $(BENCH_FLAGS)

bench-memory: build
	@scripts/bench --memory $(BENCH_FLAGS)

# The local server under 5,000 idle connections and 208 streaming lanes, and how many events it writes a second.
bench-server: build
	@python3 Benchmarks/server_load.py

# The mirror alone, without network; with RESPONSESWS_VOCABULARY also what counting tokens adds.
bench-session: build
	@.build/release/session-bench

# RESPONSESWS_VOCABULARY names the o200k_base.tiktoken to count with; BENCH_FLAGS texts to count.
bench-tokens: build test-dependencies
	@build/venv/bin/python Tests/TokenAgreement/run.py --bench $(BENCH_FLAGS)

# The same agent through seven clients, docs/headline.md and its chart: some 20 minutes. With RESPONSESWS_VOCABULARY.
headline: build test-dependencies
	@scripts/headline --write $(HEADLINE_FLAGS)

# What fitted the constants of its cost model; prints, and changes nothing.
headline-fit: build test-dependencies
	@scripts/headline --fit

# --- what is needed ----------------------------------------------------------------------------

dependencies:
	@scripts/install-dependencies

test-dependencies: dependencies
	@scripts/install-dependencies --tests

clean:
	rm -rf build .build
