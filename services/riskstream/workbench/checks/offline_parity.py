"""Parity with training: the vectors that scores logged against those that training computes for the
same rows of a file.
"""

from dataclasses import dataclass, field

from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.owned.repeats_kernel import GOOD
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.record import Record
from riskstream.workbench.rows.transactions import Transactions

SHOWN = 20


@dataclass(slots=True)
class Offline:
    """Counts of scores: rows of the file among them; whose owned features differ; profiles as
    training has them, or not.

    `stale`: scores flagged so, what profiles that differ are mostly due to. `cold` scores are left
    out.
    """

    rows: int = 0
    owned_differ: int = 0
    profiles_equal: int = 0
    profiles_differ: int = 0
    stale: int = 0
    cold: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """True where no owned feature differs and something was compared: profiles are reported,
        they block nothing.
        """
        return bool(self.rows) and not self.owned_differ


class OfflineParity:
    """Takes records of scores in order by partition. `prefix`: what the replay put before the
    file's ids.
    """

    def __init__(self, data: Transactions, features: FeatureSet, prefix: str = "") -> None:
        self.found = Offline()
        self._features = features
        self._owned = len(features.inputs) + len(features.owned)
        self._vectors = data.vectors(features)
        self._rows = {
            (customer, f"{prefix}{name}"): row for row, (customer, name) in enumerate(data.names())
        }
        self._accepted = AcceptedScores()

    def take(self, records: list[Record]) -> None:
        """Scores as they were read; repeats, rejected ones, other sets and transactions that the
        file has not are passed over.
        """
        columns, accepted = self._accepted.take(records)
        flag_starts, flag_lengths = columns.span("flags")
        is_good = columns.numbers("verdict") == GOOD
        wide, label = len(self._features.names), self._features.label
        for at in accepted:
            if not is_good[at]:
                continue
            row = self._rows.get(
                (columns.text("customer_id", at), columns.text("transaction_id", at))
            )
            if row is None or columns.text("feature_set", at) != label:
                continue
            flags = columns.data[flag_starts[at] : flag_starts[at] + flag_lengths[at]].tobytes()
            if b"cold" in flags:
                self.found.cold += 1
                continue
            logged = columns.floats_of("features", at, wide)
            ours = self._vectors[row]
            self.found.rows += 1
            self.found.stale += b"stale" in flags
            if logged[: self._owned].tobytes() != ours[: self._owned].tobytes():
                self.found.owned_differ += 1
                if len(self.found.problems) < SHOWN:
                    pairs = zip(
                        self._features.names,
                        logged[: self._owned].tolist(),
                        ours.tolist(),
                        strict=False,
                    )
                    names = [name for name, a, b in pairs if a != b and (a == a or b == b)]
                    self.found.problems.append(f"row {row} of the file: {', '.join(names)} differ")
            if self._owned < wide:
                if logged[self._owned :].tobytes() == ours[self._owned :].tobytes():
                    self.found.profiles_equal += 1
                else:
                    self.found.profiles_differ += 1
