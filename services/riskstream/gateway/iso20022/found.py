"""What was found in one instance of a level: a message, a group of its transactions, or one of
them.
"""

from dataclasses import dataclass, field

from riskstream.domain.contracts.door import MAX_FAULTS, Fault
from riskstream.gateway.iso20022.elements import Slot


@dataclass(slots=True, eq=False)
class Text:
    """The text of a slot, and the line where it begins."""

    text: str
    line: int
    is_used: bool = False


@dataclass(slots=True, eq=False)
class Instance:
    """`serial`: no other instance has it. `number`: which one it is in the instance around it.
    `count` and `total` (times 10^PLACES; None: not known) are of the transactions in it, `below` of
    the instances.
    """

    serial: int
    number: int
    line: int
    texts: dict[int, Text] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    below: int = 0
    count: int = 0
    total: int | None = 0

    def fault(self, fault: Fault) -> None:
        """One more; of very many the first are kept."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)


class Places:
    """The instances that are open, outermost first, and how their elements are named."""

    def __init__(self, root: str, repeated: tuple[str, ...]) -> None:
        self._root, self._repeated = root, repeated
        self.open: list[Instance] = []

    @property
    def innermost(self) -> Instance:
        return self.open[-1]

    @property
    def is_in_transaction(self) -> bool:
        return len(self.open) == len(self._repeated) + 1

    def text(self, slot: Slot) -> Text | None:
        """What the instance of the slot's level has for it; None too where none is open."""
        if slot.level >= len(self.open):
            return None
        return self.open[slot.level].texts.get(slot.number)

    def xpath(self, path: str = "") -> str:
        """The XPath of a place, its repeated elements with their numbers."""
        names = path.split("/") if path else list(self._repeated[: len(self.open) - 1])
        out = f"/Document/{self._root}"
        is_repeated = True
        for at, name in enumerate(names):
            is_repeated = is_repeated and at < len(self._repeated) and name == self._repeated[at]
            out += f"/{name}"
            if is_repeated and at + 1 < len(self.open):
                out += f"[{self.open[at + 1].number}]"
        return out
