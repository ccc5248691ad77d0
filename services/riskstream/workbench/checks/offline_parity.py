"""Parity with training: the vectors that scores logged against those that training computes for the
same rows of a file.
"""

from dataclasses import dataclass, field

import numpy as np

from riskstream.domain.contracts.columns import Columns
from riskstream.domain.risk.features.declare import FeatureSet
from riskstream.domain.risk.features.owned.repeats_kernel import GOOD
from riskstream.platform.kafka.accepted import AcceptedScores
from riskstream.platform.kafka.record import Records
from riskstream.workbench.checks.score_columns import equal_floats
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

    def take(self, records: Records) -> None:
        """Scores of one partition as they were read; repeats, rejected ones, other sets and
        transactions that the file has not are passed over.
        """
        batch = self._accepted.decode(records)
        columns, rows = batch.columns, self._accepted.rows_of_one(batch, records.partition)
        is_ours = columns.is_text("feature_set", self._features.label.encode())
        rows = rows[((columns.numbers("verdict") == GOOD) & is_ours)[rows]]
        customers, ids = (columns.texts(name, rows) for name in ("customer_id", "transaction_id"))
        places = [self._rows.get(name, -1) for name in zip(customers, ids, strict=True)]
        of_file = np.array(places, np.int64)
        is_cold = columns.names_one("flags", rows, [b"cold"]) & (of_file >= 0)
        self.found.cold += int(is_cold.sum())
        is_compared = (of_file >= 0) & ~is_cold
        rows, of_file = rows[is_compared], of_file[is_compared]
        self.found.rows += len(rows)
        self.found.stale += int(columns.names_one("flags", rows, [b"stale"]).sum())
        wide, ours = len(self._features.names), self._vectors[of_file]
        is_equal = equal_floats(columns, rows, ours[:, : self._owned], wide)
        self.found.owned_differ += int((~is_equal).sum())
        for at in np.flatnonzero(~is_equal)[: SHOWN - len(self.found.problems)].tolist():
            self._note(columns, int(rows[at]), int(of_file[at]))
        if self._owned < wide:
            is_equal = equal_floats(columns, rows, ours[:, self._owned :], wide, self._owned)
            self.found.profiles_equal += int(is_equal.sum())
            self.found.profiles_differ += int((~is_equal).sum())

    def _note(self, columns: Columns, row: int, of_file: int) -> None:
        """Say which features of the score in `row` differ."""
        logged = columns.floats_of("features", row, len(self._features.names))[: self._owned]
        pairs = zip(
            self._features.names, logged.tolist(), self._vectors[of_file].tolist(), strict=False
        )
        names = [name for name, a, b in pairs if a != b and (a == a or b == b)]
        self.found.problems.append(f"row {of_file} of the file: {', '.join(names)} differ")
