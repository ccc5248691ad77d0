#!/usr/bin/env bash
# requirements/<extra>.txt: hashed, without index names, for every platform. uv only resolves; pip installs.
set -euo pipefail
cd "$(dirname "$0")/.."
uv="${UV:-uv}"
command -v "$uv" >/dev/null || { echo "error: uv is missing (PATH): pip install uv, or give UV=/path/to/uv" >&2; exit 2; }
for extra in gateway scorer scorer-gpu faust tracker profiler lag reporter trainer xgboost local cli client dev; do
  "$uv" pip compile pyproject.toml --extra "$extra" --generate-hashes --no-emit-index-url --universal \
    --python-version 3.11 --no-header --no-annotate --quiet -o "requirements/$extra.txt"
  echo "requirements/$extra.txt"
done
"$uv" pip compile pyproject.toml --extra vllm --generate-hashes --no-emit-index-url --python-platform x86_64-unknown-linux-gnu \
  --python-version 3.12 --no-header --no-annotate --quiet -o requirements/vllm.txt
echo requirements/vllm.txt
for tools in build deploy; do
  "$uv" pip compile "requirements/$tools.in" --generate-hashes --no-emit-index-url --universal \
    --python-version 3.11 --no-header --no-annotate --quiet -o "requirements/$tools.txt"
  echo "requirements/$tools.txt"
done
