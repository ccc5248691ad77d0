"""The docs page of the proofs: what each did and counted, from build/proof/*.json."""

import json
import os
import platform
from pathlib import Path

WHAT = {
    "bounds": (
        "five minutes of fuzzing of the kernels with bound checks, then with canaries behind "
        "arrays (`make test-bounds`)"
    ),
    "fault-points": (
        "scorer, tracker, profiler, reporter ended at every step, by a kill, an exception, a "
        "second Ctrl-C"
    ),
    "coordinator-cut": "the broker that coordinates the group frozen beyond the session timeout",
    "load-between": (
        "a scorer paused, another takes over and writes, it wakes and loads rows that are "
        "ahead of it, three times"
    ),
    "compacted-zombie": (
        "the tracker paused, another takes its place, it wakes; forced compaction; a fresh reader"
    ),
    "gap-refused": "the brokers refuse every score for 10 s: scorers end rather than leave a hole",
    "gap-full-queue": "produce connections held until the producers' queues are full",
    "gap-broker-away": "the only broker frozen for six minutes",
    "reader-restart": "readers restarted from their own position while scorers are killed",
    "markers": "upstream transactions committed, aborted and left open",
    "revoke-inside-consume": "members join and leave while batches are taken",
    "swap": "Redis emptied, scorers killed, another model between original and replay",
    "upstream-duplicate": "upstream sends what it had sent again, while scorers are killed",
    "expired": (
        "scores expired, a topic recreated, a partition added: held, refused, or gone on with "
        "flags, and said"
    ),
    "snapshots": (
        "Redis emptied under running and killed scorers, and set back, after the topics' heads "
        "expired; beside an oracle"
    ),
    "clock": "transactions of 2018 and of the year 9999",
    "releases": (
        "a release activated and withdrawn twenty times under 100 events/s; then some forty "
        "kinds of hostile records"
    ),
    "rolling": (
        "2, 4, 2 scorers under 300 events/s, those that were there first leave; slowest drain, "
        "longest pause of a partition"
    ),
    "traces": (
        "1,000 sampled callers while scorers and trackers join and leave; every trace from its "
        "report back to its caller"
    ),
    "kill-recovery": (
        "1,000,000 customers in Redis, kill -9 twenty times: until every partition scores again"
    ),
    "drains": (
        "500,000 transactions and their labels before a service runs: drained cold, and with "
        "all of them killed midway"
    ),
    "old": (
        "heads and offsets expired, topics compacted, a partition idle; Redis kept, empty, "
        "older; ten restarts of each service"
    ),
    "profile-freshness": (
        "500 events/s, an hour of event time a second: from the append that closes a tile to "
        "the vector in Redis"
    ),
    "handbook-stack": (
        "the public book's file, labels 7 days late, through profiler and scorer; the last six "
        "weeks against offline"
    ),
    "chaos": "ten minutes of the mix (`make chaos`), three brokers",
    "chaos-faust": "three minutes of the same against `--runtime faust`; published, no goal",
}
_ALWAYS = ("source_records", "scores_accepted", "raw_duplicates", "lost", "features_differ")


def write_page(path: Path, folder: Path) -> None:
    """One row a proof that was run, then every count."""
    rows = [
        "| proof | what | run | holds | seconds | counted |",
        ("| --- | --- | --- | --- | --- | --- |"),
    ]
    details = []
    for name, what in WHAT.items():
        file = folder / f"{name}.json"
        if not file.exists():
            rows.append(f"| `{name}` | {what} | not run | | | |")
            continue
        result = json.loads(file.read_text())
        counts = result["counts"]
        short = ", ".join(
            f"{key.replace('_', ' ')} {counts[key]:,}" for key in _ALWAYS if key in counts
        ) or ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in counts.items())
        holds = "published" if name == "chaos-faust" else "yes" if result["ok"] else "**no**"
        rows.append(
            f"| `{name}` | {what} | {result['on']} | {holds} | {result['seconds']:,.0f} | {short} |"
        )
        details.append(
            f"- `{name}` (seed {result['seed']}): "
            + ", ".join(f"{k} {v:,}" for k, v in counts.items())
        )
    path.write_text(
        '# What was proved\n\n<!-- Written by `make proof ARGS="--page docs/proof.md"`. -->\n'
        f"Each was run last on the day in its row, on a machine with {os.cpu_count()} "
        f"cores ({platform.machine()}) that "
        "ran everything: brokers, Redis, services, load and checker.\n"
        "Each schedule runs under load on a real broker and a real Redis; afterwards every "
        "record is compared with a\n"
        "single-threaded oracle in plain Python ([loadtests](../loadtests/README.md)). A "
        "proof holds when nothing was lost,\n"
        "accepted twice or out of order, and nothing differs: verdict, features, score, "
        "decision, dead letter, alert, customer.\n\n"
        + "\n".join(rows)
        + "\n\n## Every count\n\n"
        + "\n".join(details)
        + "\n"
    )
