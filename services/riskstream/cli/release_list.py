"""What releases.v1 and scores.v1 say together: active, live where, withdrawn, refused and why."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from riskstream.cli.moments import moment
from riskstream.cli.patience import patiently
from riskstream.cli.release_desk import Standing, read_standing
from riskstream.cli.release_scores import name_of, recent
from riskstream.domain.risk.features.sets import set_of
from riskstream.platform.adapters.release import check_fits
from riskstream.platform.adapters.release_records import Head, head_of, said_by
from riskstream.platform.adapters.signing import PublicKey
from riskstream.runtime.errors import Fatal

NOT_CHECKED = "not checked: give --key, the signer's .pub file"


def said_last(head: Head) -> str:
    """Who did what by the newest head: what it says at its own number."""
    done = [
        (each.by, f"activated {each.release_id}") for each in head.active if each.at == head.number
    ]
    done += [
        (each.by, f"withdrew {each.release_id}")
        for each in head.withdrawn
        if each.at == head.number
    ]
    words = ", ".join(f"{by or 'somebody'} {what}" for by, what in done) or "somebody changed it"
    return f"{words} (number {head.number}, {moment(head.number)})"


def described(kafka: str, keys: Sequence[PublicKey], scores: str, most: int) -> dict[str, Any]:
    """As JSON values: `heads`, `refused`, `unsigned` (of versions before signed heads) and `live`
    by partition.
    """
    standing = patiently(lambda: read_standing(kafka))
    by_signer = {each.fingerprint: each for each in keys}
    live, count = _live(kafka, scores, most)
    refused = [{"record": key, "why": why} for key, why in standing.unreadable]
    heads = []
    for feature_set, signer in sorted(standing.heads()):
        public = by_signer.get(signer)
        wrong: list[tuple[str, str]] = []
        channel = standing.channel(public, feature_set, wrong) if public else None
        head = channel.head if channel else _unchecked(standing, feature_set, signer)
        refused += [{"record": key, "why": why} for key, why in wrong if "names signer" not in why]
        if head is not None:
            heads.append(_head(head, signer, standing, public, live))
    return {
        "heads": heads,
        "refused": list({(each["record"], each["why"]): each for each in refused}.values()),
        "unsigned": [
            {"release_id": key, "status": record["status"], "feature_set": record["feature_set"]}
            for key, record in sorted(standing.unsigned().items())
        ],
        "live": live,
        "partitions": count,
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The same as text."""
    for head in found["heads"]:
        yield (
            f"{head['feature_set']}, key {head['signer']}, number {head['number']}: signature "
            f"{head['signature']}"
        )
        for each in head["active"]:
            where = (
                f"live on partitions {', '.join(map(str, each['live_on']))}"
                if each["live_on"]
                else ("not live")
            )
            refused = f"; refused: {each['refused']}" if each["refused"] else ""
            yield (
                f"  active     {each['release_id']}  since {moment(each['at'])}{_by(each)}  "
                f"{where}{refused}"
            )
        for each in head["withdrawn"]:
            why = f": {each['why']}" if each["why"] else ""
            where = (
                f"  STILL LIVE on partitions {', '.join(map(str, each['live_on']))}"
                if each["live_on"]
                else ""
            )
            yield (
                f"  withdrawn  {each['release_id']}  at {moment(each['at'])}{_by(each)}{why}{where}"
            )
    if not found["heads"]:
        yield "no release was ever activated here"
    for each in found["refused"]:
        yield f"refused: record {each['record']!r}: {each['why']}"
    for each in found["unsigned"]:
        yield (
            f"without a signature, scorers do not act on it: {each['release_id']} "
            f"{each['status']} ({each['feature_set']})"
        )
    for each in found["live"]:
        ago = f"{each['ago_s']:.1f} s ago"
        yield (
            f"partition {each['partition']}: last scored {ago} by "
            f"{name_of(each['release_id'])}, model {each['model']}"
        )
    if len(found["live"]) < found["partitions"]:
        yield (
            f"{found['partitions'] - len(found['live'])} of {found['partitions']} partitions "
            "have no score to tell by"
        )


def _by(each: dict[str, Any]) -> str:
    return f" by {each['by']}" if each["by"] else ""


def _live(kafka: str, scores: str, most: int) -> tuple[list[dict[str, Any]], int]:
    try:
        last, count = patiently(lambda: recent(kafka, scores, most))
    except Fatal:  # a cluster that has no scores yet
        return [], 0
    now = time.time()
    return [
        {
            "partition": number,
            "feature_set": label,
            "release_id": name,
            "model": model,
            "ago_s": round(now - at / 1000, 1),
        }
        for number, (label, name, model, at) in sorted(last.items())
    ], count


def _unchecked(standing: Standing, feature_set: str, signer: str) -> Head | None:
    heads = []
    for each in standing.found:
        if each.record["signer"] == signer and each.record["feature_set"] == feature_set:
            said = said_by(each.record, None)
            if said is None or said.get("kind") != "head":
                continue
            try:
                heads.append(head_of(said))
            except ValueError:
                continue
    return max(heads, key=lambda head: head.number, default=None)


def _head(
    head: Head,
    signer: str,
    standing: Standing,
    public: PublicKey | None,
    live: list[dict[str, Any]],
) -> dict[str, Any]:
    def live_on(release_id: str) -> list[int]:
        return [
            each["partition"]
            for each in live
            if each["release_id"] == release_id and each["feature_set"] == head.feature_set
        ]

    features = set_of(head.feature_set)
    active = []
    for entry in head.active:
        why = ""
        if public is not None:
            release = standing.release(entry, public)
            if release is None:
                why = "its content is not there: activate its file again"
            elif features is not None:
                try:
                    check_fits(release, features, entry.release_id)
                except Fatal as error:
                    why = error.what
        active.append(
            {
                "release_id": entry.release_id,
                "at": entry.at,
                "by": entry.by,
                "live_on": live_on(entry.release_id),
                "refused": why,
            }
        )
    return {
        "feature_set": head.feature_set,
        "signer": signer,
        "number": head.number,
        "signature": "holds" if public else NOT_CHECKED,
        "active": active,
        "withdrawn": [
            {
                "release_id": each.release_id,
                "at": each.at,
                "by": each.by,
                "why": each.why,
                "live_on": live_on(each.release_id),
            }
            for each in head.withdrawn
        ],
    }
