#!/usr/bin/env bash
# Every static check; stops at the first that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
step() { printf '[lint] %s\n' "$*"; }
step "ruff format"; $bin/ruff format --check -q services tests loadtests examples scripts
step "ruff check"; $bin/ruff check -q services tests loadtests examples scripts
step "mypy strict"; $bin/mypy --no-error-summary -p riskstream; $bin/mypy --no-error-summary tests loadtests scripts
step "import-linter"; $bin/lint-imports --no-logo 2>/dev/null | tail -n 6 || { $bin/lint-imports; exit 1; }
step "generated files"; $bin/python scripts/docs.py --check; $bin/python scripts/openapi.py --check; $bin/python scripts/deploy_files.py --check
made="services/riskstream/domain/contracts/records.py schemas/gateway.proto schemas/gateway.numbers.json"
before=$(git hash-object $made)
$bin/python -m riskstream.domain.contracts.generate >/dev/null && $bin/ruff format -q services/riskstream/domain/contracts/records.py
[ "$before" = "$(git hash-object $made)" ] || { echo "error: $made were not generated from schemas/: run make gen" >&2; exit 1; }
step "contracts"; $bin/riskstream contracts check
step "clean"
