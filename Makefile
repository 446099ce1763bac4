# Every command a person or CI runs. `make` alone lists them.
CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto
# Property tests draw from one seed, so that a change is judged by the change. Another: PROPTEST_RNG_SEED=7 make test
export PROPTEST_RNG_SEED ?= 20270115

.PHONY: help demo test kotlin quick sim sim-selfcheck crash fuzz bench load lint fmt doc
help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

demo: ## A server and real phone processes play a morning and prove it (DEMO_EXIT=1 ends after it)
	$(CARGO) build --locked --quiet --bins --features gridpass-phone/cli -p gridpass-server -p gridpass-phone -p gridpass-tests
	$(CARGO) run --locked --quiet -p gridpass-tests --bin gridpass-demo

test: ## All tests, with about a minute of simulation and one of hostile input
	GRIDPASS_SIM_RUNS=20 GRIDPASS_FUZZ_ITERATIONS=12000 $(CARGO) test --locked --workspace --all-features
	@CARGO="$(CARGO)" android/bridge/test.sh

kotlin: ## The phone driven from Kotlin against a real server, a part of test; needs a JDK and Maven
	@CARGO="$(CARGO)" android/bridge/test.sh

quick: ## The tests of a change in the making: units, forgeries, hand-made phones, stories; without the simulation
	$(CARGO) test --locked --quiet --workspace --all-features --lib --tests -- --skip simulation::

sim: ## Many phones and a server under seeds, against a plain model (RUNS=100 SEED=1 STEPS=400 JOBS=2 RELEASE=1; PLAN=file plays one)
	$(CARGO) run --locked --quiet $(if $(RELEASE),--release) -p gridpass-tests --bin gridpass-sim

sim-selfcheck: ## The simulation has to notice every planted bug (RUNS=60 seeds each at most, STEPS=300, BUG=one, KEEP=folder)
	RUNS=$(or $(RUNS),60) STEPS=$(or $(STEPS),300) $(CARGO) run --locked --quiet -p gridpass-tests --bin gridpass-sim -- --selfcheck

crash: ## Kill real servers and phones at any instant and look what is left (RUNS=500 SEED=1; ROUND=17 plays one)
	$(CARGO) build --locked --quiet --bins --features gridpass-phone/cli -p gridpass-server -p gridpass-phone -p gridpass-tests
	$(CARGO) run --locked --quiet -p gridpass-tests --bin gridpass-crash

fuzz: ## Hostile input for every reader and the router for so long (SECONDS=60); a failing one is kept and tried first ever after
	$(CARGO) test --locked --quiet --no-run --workspace --all-features --test it
	@end=$$(($$(date +%s) + $(or $(SECONDS),60))); seed=$${SEED:-$$(date +%s)}; while [ $$(date +%s) -lt $$end ]; do \
		echo "seed $$seed"; PROPTEST_RNG_SEED=$$seed GRIDPASS_FUZZ_ITERATIONS=$${GRIDPASS_FUZZ_ITERATIONS:-1000} \
		$(CARGO) test --locked --quiet --workspace --all-features --test it fuzz:: || exit 1; seed=$$((seed + 1)); done

# The peer's packages go into target/; without node, or without a way to the packages, its rows are left out.
PEER := target/bench/peer
bench: ## Measure phones and server, a few minutes (BARS=1,5 RECORDS=30000 SEED=7); writes docs/performance.md
	@mkdir -p $(PEER)
	@cp tests/src/bin/gridpass-bench/peer/package.json tests/src/bin/gridpass-bench/peer/package-lock.json \
		tests/src/bin/gridpass-bench/peer/.npmrc $(PEER)/
	@test -d $(PEER)/node_modules || (cd $(PEER) && npm ci --silent) || true
	$(CARGO) run --locked --release --quiet -p gridpass-tests --bin gridpass-bench

load: ## A district of 2 million records and its 735 phones on one server (SCALE=laoshan/16 KEEP=folder); writes docs/performance.md
	$(CARGO) build --locked --release --quiet -p gridpass-server -p gridpass-tests --bin gridpass-server --bin gridpass-bench
	target/release/gridpass-bench district

lint: ## Formatting, clippy and documentation with warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(CARGO) fmt --manifest-path ffi/bindgen/Cargo.toml --check
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet

fmt: ## Format everything
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path ffi/bindgen/Cargo.toml
