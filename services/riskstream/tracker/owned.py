"""What the tracker holds of one partition: its customers' states, where they stand, and from when
they are whole.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from riskstream.domain.risk.customer_risk import CustomerState, Standing, whole_after


@dataclass(slots=True)
class Owned:
    """`changed`: customers whose state is not written yet. `alerted`: source offset of the newest
    alert found.
    """

    customers: dict[str, CustomerState] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    standing: Standing = field(default_factory=Standing)
    alerted: int = -1
    is_new: bool = True
    """True where the topic of states has no record of this partition."""

    def load(self, record: dict[str, Any]) -> None:
        """Take one state, in the order of the topic."""
        self.customers[record["customer_id"]] = CustomerState.of(record)
        self.standing = self.standing.later(record)

    def state(self, customer_id: str) -> CustomerState:
        """The customer's state, a new one where there is none."""
        state = self.customers.get(customer_id)
        if state is None:
            state = self.customers[customer_id] = CustomerState(customer_id=customer_id)
        return state

    def may_lack(self, appended_at: int) -> None:
        """Scores of transactions appended before that instant are missing: later windows are
        whole.
        """
        whole_from = whole_after(appended_at)
        self.standing = replace(self.standing, whole_from=max(self.standing.whole_from, whole_from))

    def stands_at(self, src: int, score_offset: int) -> None:
        """Every score up to this one is in."""
        self.standing = replace(self.standing, position=src, score_offset=score_offset)
