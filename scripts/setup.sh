#!/usr/bin/env bash
# Installs everything that `make demo` and `make test` need, and skips what is there. It needs neither root nor Docker.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '[setup] %s\n' "$*"; }
if [ -z "${PYTHON:-}" ]; then
  echo "error: no Python 3.11 or 3.12 (PATH): install one, or give make PYTHON=/path/to/python3.12" >&2
  exit 2
fi
started=$SECONDS
if [ ! -x .venv/bin/python ]; then
  say "1/4 making the environment with $PYTHON"
  "$PYTHON" -m venv .venv
else
  say "1/4 the environment is there"
fi
say "2/4 installing packages (about 1.2 GB the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt \
  || { echo "error: packages could not be installed (requirements/dev.txt): see pip's message above; a network is needed once" >&2; exit 5; }
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
say "3/4 compiling kernels"
.venv/bin/riskstream compile
say "4/4 Kafka's jars and Java"
.venv/bin/python -c 'from riskstream.workbench.local.downloads import kafka_class_path, java, redis_server
from riskstream.runtime.run import run_main
run_main(lambda: print(f"[setup] {len(kafka_class_path())} characters of class path, {java()}, {redis_server()}") or 0)' >/dev/null
touch .venv/.ready
say "ready in $((SECONDS - started)) s"
