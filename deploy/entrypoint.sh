#!/bin/sh
# Copy the kernels compiled in the image to where they can be compiled again for another CPU, then run the command. `-m riskstream.x` is python's.
set -eu
if [ -d /app/numba ] && [ ! -d "${NUMBA_CACHE_DIR}" ]; then
  cp -r /app/numba "${NUMBA_CACHE_DIR}"
fi
case "${1:-}" in
  -*) exec python "$@" ;;
  *) exec "$@" ;;
esac
