.DEFAULT_GOAL := help
export CARGO_TARGET_DIR ?= target
IMAGE_NAME ?= soci-tools
PREFIX ?= /usr/local
MUSL_TARGET ?= $(shell uname -m)-unknown-linux-musl

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

.PHONY: build
build: ## build the tools into target/release
	scripts/setup.sh build
	TOOLS_VERSION="$$(scripts/version.sh)" cargo build --locked --release --bins

.PHONY: install
install: build ## install the tools, manual pages and completions into PREFIX (/usr/local)
	scripts/install.sh $(PREFIX)

.PHONY: dist
dist: ## build archives of small static binaries for any Linux into target/archives; MUSL_TARGET
	scripts/setup.sh build dist
	scripts/static-target.sh --install $(MUSL_TARGET) >/dev/null
	scripts/dist.sh $(MUSL_TARGET)

.PHONY: reproducible
reproducible: ## build the last commit twice, and compare the tools byte for byte; REPRODUCIBLE_PROFILE
	scripts/setup.sh build dist
	scripts/reproducible.sh $(REPRODUCIBLE_PROFILE)

.PHONY: test-fast
test-fast: ## run the tests of each crate and tool; needs Cargo and a C compiler, nothing else
	cargo test --workspace --exclude soci-e2e --locked

.PHONY: test
test: ## run all tests, with real registries and containers on this machine
	scripts/setup.sh test
	cargo test --workspace --locked --no-fail-fast; status=$$?; scripts/test-bases.sh stop; exit $$status

.PHONY: faults
faults: ## run the tools against a registry that misbehaves, and print a table of the outcomes
	cargo test --quiet --locked --package soci-e2e --test fault_table -- --nocapture

.PHONY: soak
soak: ## run a thousand pipelines against registries that fail at random; SOCI_SOAK_RUNS, SOCI_SOAK_SEED
	SOCI_SOAK_RUNS=$${SOCI_SOAK_RUNS:-1000} SOCI_SOAK_SEED=$${SOCI_SOAK_SEED:-$$(date +%s)} \
	  cargo test --locked -p soci-e2e --test e2e soak_ends -- --nocapture

.PHONY: sweeps
sweeps: ## fail each file system call once, and kill the tools at each, and print how many calls there were
	scripts/setup.sh test
	cargo test --locked -p soci-e2e --test sweeps -- --nocapture

.PHONY: differential
differential: ## compare ztocs with an independent reader, of SOCI_DIFFERENTIAL_COUNT random layers (100,000)
	scripts/setup.sh build differential
	SOCI_DIFFERENTIAL_COUNT=$${SOCI_DIFFERENTIAL_COUNT:-100000} SOCI_DIFFERENTIAL_SEED=$${SOCI_DIFFERENTIAL_SEED:-$$(date +%s)} \
	  cargo test --locked -p soci-e2e --test differential -- --nocapture

.PHONY: flips
flips: ## flip SOCI_FLIPS (10,000) random bits of a ztoc of tens of MiB and of its layer, and print how each ended
	SOCI_FLIPS=$${SOCI_FLIPS:-10000} cargo test --locked -p soci-ztoc --test ztoc flipped_bits_of_a_ztoc_of_many -- --nocapture

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZ_SECONDS (60), two at a time; fails on a finding
	scripts/fuzz.sh run

.PHONY: sanitize
sanitize: ## run the tests of the crate that has unsafe code with the address sanitizer
	scripts/sanitize.sh

.PHONY: mutants
mutants: ## change the code in small ways, and count what no test notices; MUTANTS_AREAS, MUTANTS_ARGS
	scripts/mutants.sh $(MUTANTS_AREAS)

.PHONY: builders
builders: ## index an image of each builder of container images, and print a table; BUILDERS_ARGS
	scripts/setup.sh build builders
	cargo build --workspace --locked --bins
	cargo build --locked --package soci-ztoc --example digests
	tests/builders/run $(BUILDERS_ARGS); status=$$?; scripts/test-bases.sh stop; exit $$status

.PHONY: bench
bench: ## measure the tools against public ones, and write docs/performance.md; BENCH_ARGS
	scripts/setup.sh test bench
	cargo build --locked --profile dist --bins
	benches/bench.py $(BENCH_ARGS)
	cargo bench --locked -p soci-ztoc --bench ztoc

.PHONY: check
check: ## run every check that is not a test: format, lints, docs, licences, spelling, scripts, workflows
	scripts/check.sh

.PHONY: book
book: ## build the documentation as a book, and check its links
	scripts/book.sh

.PHONY: demo
demo: build ## index an image made for the demo, or the one given by IMAGE=registry/app:tag
	@scripts/demo.sh $(IMAGE)

# The classic builder takes no platform: RUNTIME_IMAGE and BUSYBOX_IMAGE have that of the image.
IMAGE_ARGS = --build-arg "TOOLS_VERSION=$$(scripts/version.sh)" \
  --build-arg "VERSION=$$(scripts/version.sh number)" \
  --build-arg "REVISION=$$(git rev-parse HEAD)" \
  --build-arg "CREATED=$$(git log -1 --format=%cI)" \
  $(if $(IMAGE_PROFILE),--build-arg PROFILE=$(IMAGE_PROFILE)) \
  $(if $(PLATFORM),--build-arg TARGETARCH=$(notdir $(PLATFORM)) $$(! docker buildx version >/dev/null 2>&1 || echo --platform $(PLATFORM)))

.PHONY: image
image: ## build the container image, with PLATFORM=linux/arm64 for another one, IMAGE_PROFILE=release for a quick build; DOCKER_BUILD_ARGS
	docker build $(IMAGE_ARGS) --build-arg "BUILD_PLATFORM=linux/$$(docker version --format '{{.Server.Arch}}')" \
	  $(DOCKER_BUILD_ARGS) -t $(IMAGE_NAME) .

.PHONY: clean
clean: ## remove everything that the other targets made
	cargo clean
	rm -rf demo
