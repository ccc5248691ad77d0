"""A transaction as gateways remember it together, and under which keys it stands there."""

from dataclasses import dataclass

PREFIX, DIGEST = b"{riskstream.once}:", 16
"""Of all keys; and bytes of a digest."""


@dataclass(frozen=True, slots=True)
class Row:
    """One transaction: digests of its name, of its Idempotency-Key's (b"" without one) and of its
    id (b"" without a decision); what the key stands for, b"" without one. `mine` marks it while
    it is under way; `value` is what it becomes, b"" where it was not taken.
    """

    name: bytes
    mine: bytes
    key: bytes = b""
    print: bytes = b""
    id: bytes = b""
    value: bytes = b""

    def stored(self) -> list[bytes]:
        """The keys in the store: of the transaction, of what its key stands for, of its id; the
        first again where there is none.
        """
        name = PREFIX + b"t:" + self.name
        key = PREFIX + b"k:" + self.key if self.key else name
        return [name, key, PREFIX + b"i:" + self.id if self.id else name]
