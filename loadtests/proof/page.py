"""The docs page of the proofs: what each did and counted, from build/proof/*.json."""

import json
import os
import platform
import re
from pathlib import Path
from typing import Any

WHAT = {
    "bounds": (
        "five minutes of fuzzing of the kernels with bound checks, then with canaries behind "
        "arrays (`make test-bounds`)"
    ),
    "clients": (
        "the last four releases of confluent-kafka: checks, the compiled client beside the Python "
        "one, and the exact lane by both"
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
        "1,000,000 customers, kill -9 of a scorer twenty times and of the tracker five times: "
        "until every partition goes on, within 8 s"
    ),
    "gateway-scorer-away": (
        "the only scorer killed for 30 s under 200 decisions a second: who was answered, in time, "
        "by what; accepted and lost"
    ),
    "gateway-broker-away": (
        "the only broker frozen for a minute under decisions and plain transactions: answers "
        "within 2 s, memory, accepted and lost"
    ),
    "gateway-bulk": (
        "decisions beside eight callers of batches of 10,000 wrong transactions each: answered in "
        "time"
    ),
    "gateway-burst": (
        "ten times the usual for a minute, with 16 callers of batches of 1,000: decisions in "
        "time, bulk shed with 429, memory"
    ),
    "gateway-keycloak": (
        "tokens of a real Keycloak: good ones let in, over a change of keys and while it is down; "
        "others refused"
    ),
    "gateway-fuzz": (
        "requests that the gateway's OpenAPI allows, and such as it forbids: no 500, no hang, "
        "each answer as the document has it"
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
_HEADS = {
    "auto": "# What was proved\n\n"
    '<!-- Written by `make proof ARGS="--page docs/proof.md"`. -->\n'
    "By the compiled client, which services use unless they are told otherwise. By calls of "
    "confluent-kafka for each record: [with the Python client](proof-python.md).\n",
    "python": "# What was proved with the Python client\n\n"
    '<!-- Written by `make proof ARGS="--client python --page docs/proof-python.md"`. -->\n'
    "As [what was proved](proof.md), with scorers, tracker, profiler and reporter under "
    "`--client python`: the way that takes over where the compiled client cannot serve.\n",
}
_SHOWN = ("source_records", "scores_accepted", "raw_duplicates", "lost", "features_differ")
_MOST_SHOWN = 4
_ROW = re.compile(r"\| `([\w-]+)` \| .* \| (\d{4}-\d\d-\d\d) \| (\S+) \| ([\d,]+) \| .*\|")
_COUNTED = re.compile(r"- `([\w-]+)` \(seed (\d+)\): (.*)")
_COUNT = re.compile(r"(.+?) (-?\d{1,3}(?:,\d{3})*)(?:, |$)")


def write_page(path: Path, folder: Path, client: str = "auto") -> None:
    """One row a proof, then every count. What `folder` lacks stays as the page has it.

    `client`: that of the services, as their setting says it.
    """
    results = _on_page(path)
    for file in folder.glob("*.json"):
        if file.stem in WHAT:
            results[file.stem] = json.loads(file.read_text())
    rows = [
        "| proof | what | run | holds | seconds | counted |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    details = []
    for name, what in WHAT.items():
        if name not in results:
            rows.append(f"| `{name}` | {what} | not run | | | |")
            continue
        result = results[name]
        holds = "published" if name == "chaos-faust" else "yes" if result["ok"] else "**no**"
        rows.append(
            f"| `{name}` | {what} | {result['on']} | {holds} | {result['seconds']:,.0f} "
            f"| {shown(result['counts'])} |"
        )
        counted = ", ".join(f"{key} {value:,}" for key, value in result["counts"].items())
        details.append(f"- `{name}` (seed {result['seed']}): {counted}")
    path.write_text(
        f"{_HEADS[client]}\n"
        f"Each was run last on the day in its row, on a machine with {os.cpu_count()} "
        f"cores ({platform.machine()}) that "
        "ran everything: brokers, Redis, services, load and checker.\n"
        "Each schedule runs under load on a real broker and a real Redis; afterwards every "
        "record is compared with a\n"
        "single-threaded oracle in plain Python ([loadtests](../loadtests/README.md)). A "
        "proof holds when nothing was lost,\n"
        "accepted twice or out of order, and nothing differs: verdict, features, score, "
        "decision, dead letter, alert, customer.\n"
        "The table shows a few counts of each proof; all of them stand below it.\n\n"
        + "\n".join(rows)
        + "\n\n## Every count\n\n"
        + "\n".join(details)
        + "\n"
    )


def shown(counts: dict[str, int]) -> str:
    """A few of the counts; of a proof that ran several times, the same few of each run."""
    plain = {key: counts[key] for key in _SHOWN if key in counts}
    if plain:
        return _listed(plain)
    runs: dict[str, dict[str, int]] = {}
    for key in _SHOWN:
        for name, value in counts.items():
            if name == key or name.endswith(f"_{key}"):
                runs.setdefault(name.removesuffix(key).strip("_"), {})[key] = value
    if not runs:
        return _listed(dict(list(counts.items())[:_MOST_SHOWN]))
    return "; ".join(
        f"{run.replace('_', ' ')}: {_listed(some)}" for run, some in sorted(runs.items())
    )


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in counts.items())


def _on_page(path: Path) -> dict[str, dict[str, Any]]:
    """The results that the page holds, by proof."""
    out: dict[str, dict[str, Any]] = {}
    if not path.exists():
        return out
    for line in path.read_text().splitlines():
        if row := _ROW.fullmatch(line):
            name, on, holds, seconds = row.groups()
            took = float(seconds.replace(",", ""))
            out[name] = {"on": on, "ok": holds != "**no**", "seconds": took}
        elif (counted := _COUNTED.fullmatch(line)) and counted[1] in out:
            pairs = _COUNT.findall(counted[3])
            counts = {key: int(value.replace(",", "")) for key, value in pairs}
            out[counted[1]] |= {"seed": int(counted[2]), "counts": counts}
    return {name: result for name, result in out.items() if "seed" in result}
