"""What the tracker holds of one partition: its customers' states, where they stand, and from when
they are whole.
"""

from dataclasses import dataclass, field, replace

from riskstream.domain.risk.customer_risk import Standing, whole_after
from riskstream.domain.risk.customers.table import CustomerTable
from riskstream.tracker.outputs import DECISIONS


def _table() -> CustomerTable:
    return CustomerTable(approve=DECISIONS.index("APPROVE"), block=DECISIONS.index("BLOCK"))


@dataclass(slots=True)
class Owned:
    """`alerted`: source offset of the newest alert found."""

    customers: CustomerTable = field(default_factory=_table)
    standing: Standing = field(default_factory=Standing)
    alerted: int = -1
    is_new: bool = True
    """True where the topic of states has no record of this partition."""

    def may_lack(self, appended_at: int) -> None:
        """Scores of transactions appended before that instant are missing: later windows are
        whole.
        """
        whole_from = whole_after(appended_at)
        self.standing = replace(self.standing, whole_from=max(self.standing.whole_from, whole_from))

    def goes_on_from(self, loaded: "Owned") -> None:
        """Take over states that were loaded apart, and where they stand."""
        self.customers, self.standing, self.is_new = loaded.customers, loaded.standing, False

    def stands_at(self, src: int, score_offset: int) -> None:
        """Every score up to this one is in."""
        self.standing = replace(self.standing, position=src, score_offset=score_offset)
