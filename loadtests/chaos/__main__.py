"""`python -m loadtests.chaos --minutes 10 --seed 7`: exit code 0 when everything is right and the
run proves enough.
"""

import argparse
import json
import sys
from pathlib import Path

from loadtests.chaos.run import run_chaos
from loadtests.model import small_model


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=300.0, help="transactions a second")
    parser.add_argument("--runtime", choices=("lane", "faust"), default="lane")
    parser.add_argument("--out", type=Path, default=Path("build/chaos"))
    given = parser.parse_args()
    model = small_model(Path("build/loadtests/model"))
    result = run_chaos(
        given.out,
        model,
        minutes=given.minutes,
        seed=given.seed,
        rate=given.rate,
        runtime=given.runtime,
    )
    print("\n".join(result.pop("problems")))
    print(json.dumps(result, indent=2))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
