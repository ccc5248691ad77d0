"""`python -m loadtests.features.ours DATA`: CPU seconds from the file read to the columns made, and
the peak memory.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from riskstream.domain.risk.features.handbook import HANDBOOK
from riskstream.runtime.kernel import compile_all
from riskstream.workbench.rows.transactions import read_transactions

if __name__ == "__main__":
    compile_all()
    started = time.process_time()
    read = read_transactions(Path(sys.argv[1]))
    room = np.empty((len(read.ids), len(HANDBOOK.names)))
    made = read.vectors(HANDBOOK, is_at_event=True, out=room)
    spent = time.process_time() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": spent, "rows": len(made), "peak_mib": peak_mib}))
