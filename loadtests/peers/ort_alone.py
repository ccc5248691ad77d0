"""ONNX Runtime alone on the lane's own matrix, in batches: prints CPU us a row."""

import sys
import time

import numpy as np

from loadtests.peers.fastavro_loop import BATCH, session


def main() -> None:
    model, path = sys.argv[1:]
    run = session(model).run
    rows = np.load(path)
    for start in range(0, 20_000, BATCH):
        run(None, {"features": rows[start : start + BATCH]})
    before = time.process_time()
    for start in range(0, len(rows), BATCH):
        run(None, {"features": rows[start : start + BATCH]})
    print((time.process_time() - before) / len(rows) * 1e6)


if __name__ == "__main__":
    main()
