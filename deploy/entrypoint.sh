#!/bin/sh
# Kernels compiled in the image, to where they may be written anew for another CPU; then the command. `-m riskstream.x` is python's.
set -eu
if [ -d /app/numba ] && [ ! -d "${NUMBA_CACHE_DIR}" ]; then
  cp -r /app/numba "${NUMBA_CACHE_DIR}"
fi
case "${1:-}" in
  -*) exec python "$@" ;;
  *) exec "$@" ;;
esac
