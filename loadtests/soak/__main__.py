"""`make soak ARGS="--hours 2"`: the chain under a steady load; memory, handles and p99 stay flat.

Writes build/soak/result.json and samples.json. The first tenth, at least ten minutes where the run
is an hour or longer, fills the windows and is not judged.
"""

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path

from loadtests.model import small_model
from loadtests.rows import machine
from loadtests.soak.load import Latencies, Load
from loadtests.soak.samples import Samples, problems
from riskstream.workbench.local.chain import Chain

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("scorer", "tracker", "profiler", "gateway", "reporter")
_EVERY_S = 10.0


def warm_h(hours: float) -> float:
    """Hours at the beginning that are not judged."""
    return max(hours / 10, min(1 / 6, hours / 3))


def main() -> int:
    parser = argparse.ArgumentParser(prog="loadtests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=500.0, help="transactions a second")
    parser.add_argument("--out", type=Path, default=ROOT / "build/soak")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True)
    model = small_model(ROOT / "build/loadtests/model")
    samples = {name: Samples() for name in SERVICES}

    def say(text: str) -> None:
        print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)

    with Chain(given.out / "chain", model, say, names=SERVICES) as chain:
        started = time.monotonic()
        kafka = chain.stack.kafka
        with Latencies(kafka, started) as latencies, Load(kafka, given.rate, given.hours) as load:
            end, said = started + given.hours * 3600, 0
            while (now := time.monotonic()) < end:
                time.sleep(min(_EVERY_S, end - now))
                hours = (time.monotonic() - started) / 3600
                for name, service in chain.services.items():
                    samples[name].take(service, hours)
                if int(hours * 6) > said:  # each ten minutes
                    said = int(hours * 6)
                    rss = {name: round(each.rss_mib[-1], 1) for name, each in samples.items()}
                    say(f"{load.sent:,} sent, {latencies.accepted:,} scored, MiB {rss}")
        time.sleep(2)
        warm = warm_h(given.hours)
        services = {name: each.record(warm) for name, each in samples.items()}
        p99 = latencies.p99(warm)
        wrong = problems(services, p99)
        if latencies.accepted < load.sent * 0.999:
            wrong.append(f"{load.sent:,} were sent, {latencies.accepted:,} scored when it ended")
    result = {
        "machine": machine(),
        "hours": given.hours,
        "judged_from_h": round(warm, 3),
        "rate": given.rate,
        "sent": load.sent,
        "scored": latencies.accepted,
        "late_sends": load.late,
        "p99_ms_first_and_last_fifth": p99,
        "services": services,
        "problems": wrong,
        "ok": not wrong,
    }
    (given.out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    series = {
        name: {
            "hours": each.hours,
            "rss_mib": each.rss_mib,
            "own_mib": each.own_mib,
            "handles": each.handles,
        }
        for name, each in samples.items()
    }
    (given.out / "samples.json").write_text(json.dumps(series) + "\n")
    print(json.dumps(result, indent=2))
    return 0 if not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
