# `make help` lists every target. Set-up is done once: a stamp under .venv remembers it.
SHELL := bash
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
BIG ?=
# Threads of OpenMP that wait without spinning; Java without its slow compiler, for brokers of minutes; bytecode is kept, whatever the shell says.
TESTING := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1 PYTHONDONTWRITEBYTECODE=

.PHONY: help setup demo unit test test-bounds test-files simulation proof chaos bench bench-scorer bench-features bench-models bench-rules bench-telemetry bench-growth bench-chain bench-gateway soak gpu-check deploy-check peers lint gen lock format clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort -t: -k1,1 | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

setup: $(READY) ## Install everything that the other targets need: packages, compiled kernels, Kafka's jars

$(READY): requirements/dev.txt pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" bash scripts/setup.sh

demo: $(READY) ## Run the whole system on this machine; ARGS="--serve" keeps it running
	@$(BIN)/riskstream demo $(ARGS)

unit: $(READY) ## Run the tests that need nothing but Python (90 s)
	@$(TESTING) $(BIN)/python -m pytest -q -n 2 --dist loadgroup --confcutdir=tests/unit tests/unit $(ARGS)

test: $(READY) ## Run every test, against a real Kafka and a real Redis (at most 15 minutes)
	@$(TESTING) $(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder --durations 40 --durations-min 3 $(ARGS)

test-bounds: $(READY) ## Fuzz the kernels for 5 minutes, with bound checks and canaries; ARGS="--seconds 60 --seed 9"
	@$(BIN)/python -m loadtests.bounds $(ARGS)

test-files: $(READY) ## Read 100,000 damaged files, then files of 10 M rows: build/files/*.json (2 hours); ARGS="--count 1000" and BIG="--rows 300000" for less
	@OMP_NUM_THREADS=1 $(BIN)/python -m loadtests.files damaged $(ARGS)
	@$(BIN)/python -m loadtests.files large $(BIG)

simulation: $(READY) ## Run the real lanes on Kafka in memory, with every fault, from a seed; ARGS="--histories 100000 --minutes 10", "--seed 7", "--mutations"
	@OMP_NUM_THREADS=1 $(BIN)/python -m loadtests.simulation $(ARGS)

proof: $(READY) ## Run the long proofs (kills, outages): build/proof/*.json (an hour); ARGS="--only swap"
	@$(BIN)/python -m loadtests.proof $(ARGS)

chaos: $(READY) ## Break a local cluster at random and check every record; ARGS="--minutes 10 --seed 7"
	@$(BIN)/python -m loadtests.chaos $(ARGS)

bench: bench-scorer bench-features bench-models bench-rules bench-telemetry bench-chain bench-growth bench-gateway ## Run every bench

bench-features: $(READY) build/peers/pandas/.ready ## Time the handbook's features against pandas: build/bench/features.json (5 minutes)
	@$(BIN)/python -m loadtests.features.bench $(ARGS)

bench-models: $(READY) ## Test models on the public handbook, and time reasons: build/bench/models.json (5 minutes)
	@$(BIN)/python -m loadtests.models.bench $(ARGS)

bench-rules: $(READY) ## Time a dry run, and how soon a rule is in force: build/bench/rules.json (3 minutes)
	@$(BIN)/python -m loadtests.rules.bench $(ARGS)

bench-telemetry: $(READY) ## Measure what tracing 1 % of requests costs each service: build/bench/telemetry.json (8 minutes)
	@$(BIN)/python -m loadtests.telemetry.bench $(ARGS)

bench-chain: $(READY) ## Measure each service a core, and the whole chain from one backlog: build/bench/chain.json (8 minutes)
	@$(BIN)/python -m loadtests.chain $(ARGS)

bench-gateway: $(READY) build/peers/fastapi/.ready ## Measure the gateway beside a plain FastAPI app: build/bench/gateway.json (7 minutes)
	@$(BIN)/python -m loadtests.gateway.bench $(ARGS)

bench-growth: $(READY) ## Measure costs by keys, windows, trees, partitions, processes: build/bench/growth.json (9 minutes)
	@$(BIN)/python -m loadtests.growth $(ARGS)

soak: $(READY) ## Keep the chain under a steady load, and see that nothing grows: build/soak/result.json (2 hours); ARGS="--hours 8"
	@$(BIN)/python -m loadtests.soak $(ARGS)

gpu-check: $(READY) ## Compare the second stage on a GPU with the CPU: build/bench/gpu.json; skips without a GPU
	@$(BIN)/python -m loadtests.models.gpu --prepare
	@if command -v nvidia-smi >/dev/null; then $(MAKE) -s build/gpu/.ready && PYTHONPATH=services build/gpu/bin/python -m loadtests.models.gpu $(ARGS); \
	  else $(BIN)/python -m loadtests.models.gpu $(ARGS); fi

deploy-check: $(READY) build/deploy/env/.ready ## Check charts, Compose, alerts and images without a cluster: build/deploy/result.json (8 minutes)
	@$(BIN)/python scripts/deploy_check.py $(ARGS)

build/deploy/env/.ready: requirements/deploy.txt
	@$(PYTHON) -m venv build/deploy/env
	@build/deploy/env/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/deploy.txt && touch $@

build/gpu/.ready: requirements/scorer-gpu.txt
	@$(PYTHON) -m venv build/gpu
	@build/gpu/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/scorer-gpu.txt && touch $@

bench-scorer: peers ## Time the scorer against its peers: build/bench/scorer.json (32 minutes)
	@$(BIN)/python -m loadtests.peers.bench $(ARGS)

peers: $(READY) $(patsubst %,build/peers/%/.ready,quix kafka-streams bytewax pathway pandas fastapi) ## Install the peers that benches compare with

build/peers/pandas/.ready: loadtests/features/pandas.txt
build/peers/fastapi/.ready: loadtests/gateway/fastapi.txt
build/peers/quix/.ready: loadtests/peers/quix.txt
build/peers/bytewax/.ready: loadtests/peers/bytewax.txt
build/peers/pathway/.ready: loadtests/peers/pathway.txt
build/peers/pandas/.ready build/peers/quix/.ready build/peers/bytewax/.ready build/peers/pathway/.ready build/peers/fastapi/.ready:
	@$(PYTHON) -m venv $(@D) && $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
	  && touch $@ || { rm -rf $(@D); echo "peers: $(notdir $(@D)) could not be installed; the bench skips it" >&2; }

STREAMS := loadtests/peers/kafka_streams
build/peers/kafka-streams/.ready: $(STREAMS)/jars.txt $(STREAMS)/build.py $(wildcard $(STREAMS)/src/*.java) schemas/transaction.v1.avsc schemas/score.v1.avsc | $(READY)
	@$(BIN)/python -m loadtests.peers.kafka_streams.build build/peers/kafka-streams \
	  && touch $@ || { rm -rf build/peers/kafka-streams; echo "peers: Kafka Streams could not be built; the bench skips it" >&2; }

lint: $(READY) ## Run ruff, mypy strict, import-linter, and the checks of generated files and contracts
	@bash scripts/lint.sh

gen: $(READY) ## Write the generated files: records, pages of docs, files of deploy
	@$(BIN)/python -m riskstream.domain.contracts.generate
	@$(BIN)/ruff format -q services/riskstream/domain/contracts/records.py
	@$(BIN)/python scripts/docs.py
	@$(BIN)/python scripts/openapi.py
	@$(BIN)/python scripts/deploy_files.py

lock: $(READY) ## Write requirements/*.txt again, hashed, from pyproject.toml
	@bash scripts/lock.sh

format: $(READY) ## Format the code
	@$(BIN)/ruff check -q --fix services tests loadtests examples scripts; $(BIN)/ruff format services tests loadtests examples scripts

clean: ## Remove the environment and everything built
	rm -rf $(VENV) build
