"""From the texts of a message to its transactions: opens and closes the message, its groups and
its transactions.
"""

from hashlib import blake2b

from riskstream.domain.contracts.door import Fault
from riskstream.gateway.iso20022.converter import Converter, Item
from riskstream.gateway.iso20022.elements import Element, Slot
from riskstream.gateway.iso20022.found import Instance, Places, Text
from riskstream.gateway.iso20022.limits import Limits, over, refusal
from riskstream.gateway.iso20022.mapping import Mapping
from riskstream.gateway.iso20022.totals import check_totals


class Assembly:
    """Of one message. `nodes`: the slots' elements, by number. `ready`: transactions that nobody
    has taken yet.
    """

    def __init__(
        self, mapping: Mapping, nodes: list[Element], converter: Converter, limits: Limits
    ) -> None:
        self._mapping, self._nodes, self._converter = mapping, nodes, converter
        self._limits = limits
        self._serial = 0
        self._ids: dict[bytes, int] = {}
        self.places = Places(mapping.root, mapping.repeated)
        self.ready: list[Item] = []
        self.count = self.wrong = 0
        self.message_id = ""

    def open(self, node: Element, line: int) -> None:
        """A message, a group or a transaction begins."""
        around = self.places.open
        if not around and self._serial:
            detail = f"a second {node.name} begins (line {line})"
            raise refusal("wrong-message", detail, "/Document", "one message")
        self._serial += 1
        number = 1
        if around:
            number = around[-1].below = around[-1].below + 1
        around.append(Instance(self._serial, number, line))
        if self.places.is_in_transaction and self.count >= self._limits.max_transactions:
            detail = f"it has more than {self._limits.max_transactions:,} transactions"
            raise over(f"{detail} (line {line})", self.places.xpath())

    def meet(self, node: Element, line: int) -> None:
        """An element that the mapping reads, or one around it: it is there once, and before what
        repeats.
        """
        mine = self.places.open[node.level]
        if node.seen == mine.serial:
            self.fault(node, "duplicate-element", f"{node.name} appears twice", line)
        elif mine.below:
            self.fault(node, "misplaced-element", f"{node.name} comes after a transaction", line)
        node.seen = mine.serial

    def keep(self, slot: Slot, text: str, line: int) -> None:
        """The text of a slot."""
        self.places.open[slot.level].texts.setdefault(slot.number, Text(text, line))

    def fault(self, node: Element, code: str, detail: str, line: int) -> None:
        """Of the transaction that is open, else of the message, which is then refused."""
        path = self.places.xpath(node.path) if node.path else "/Document"
        detail = f"{detail} (line {line})"
        if not self.places.is_in_transaction:
            raise refusal(code, detail, path)
        self.places.innermost.fault(Fault(path=path, code=code, detail=detail))

    def close(self) -> None:
        """The innermost of a message, a group or a transaction ends."""
        places, mine = self.places, self.places.innermost
        if places.is_in_transaction:
            self._end_transaction()
        else:
            check_totals(self._mapping, places)
        if len(places.open) == 1 and (found := places.text(self._mapping.identified_by)):
            self.message_id, found.is_used = found.text[:64], True
        for number, text in mine.texts.items():
            if not text.is_used:
                self._nodes[number].count += 1
        places.open.pop()
        if places.open:
            around = places.innermost
            around.count += mine.count
            if around.total is None or mine.total is None:
                around.total = None
            else:
                around.total += mine.total

    def _end_transaction(self) -> None:
        mine = self.places.innermost
        item, total = self._converter.convert(self.places, self.count)
        mine.count, mine.total = 1, total
        if not item.faults:
            item = self._unique(item)
        self.count += 1
        self.wrong += bool(item.faults)
        self.ready.append(item)

    def _unique(self, item: Item) -> Item:
        """The transaction, or what is wrong where one of the message has its ids already."""
        ids = f"{item.values['customer_id']}\0{item.values['transaction_id']}"
        first = self._ids.setdefault(blake2b(ids.encode(), digest_size=16).digest(), item.number)
        if first == item.number:
            return item
        slots = self._mapping.fields["transaction_id"].slots
        fault = Fault(
            path=self.places.xpath(slots[0].path if slots else ""),
            code="duplicate-transaction",
            detail=f"transaction {first + 1:,} of the message has the same id and customer "
            f"(line {item.line})",
            allowed="an id of its own",
        )
        return Item(number=item.number, line=item.line, values={}, faults=(fault,))
