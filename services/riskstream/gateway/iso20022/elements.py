"""The elements of a message as a tree of names: those that a mapping reads, and those that a
message has beside them, counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """An element or attribute that a mapping reads. `level`: how many repeated elements stand
    around it; it has one value for each of the innermost. `number` counts the slots.
    """

    path: str
    number: int
    level: int


@dataclass(slots=True, eq=False)
class Element:
    """One place of a message. `is_begin`: an instance of a level begins here, `level` then. `seen`:
    in which instance of its level it was met last. `count`: how often a message had it and nothing
    read it.
    """

    name: str
    parent: "Element | None" = None
    level: int = 0
    is_mapped: bool = False
    slot: Slot | None = None
    is_begin: bool = False
    seen: int = 0
    count: int = 0
    children: dict[str, "Element"] = field(default_factory=dict)

    def child(self, key: str, name: str) -> "Element":
        """A new child; `key` is the name as a parser gives it."""
        made = self.children[key] = Element(name, self, self.level)
        return made

    @property
    def path(self) -> str:
        """Below the message."""
        if self.parent is None or self.parent.parent is None:
            return ""
        above = self.parent.path
        return f"{above}/{self.name}" if above else self.name

    def left_out(self, path: str = "") -> Iterator[tuple[str, int]]:
        """(path below this one, count) of all that was counted, in the order of the message."""
        for each in self.children.values():
            below = f"{path}/{each.name}" if path else each.name
            if each.count:
                yield below, each.count
            yield from each.left_out(below)


def tree_of(
    namespace: str, root: str, repeated: tuple[str, ...], slots: tuple[Slot, ...]
) -> tuple[Element, list[Element]]:
    """(Document with the message `root` below it and the slots' elements in that, the elements by
    the numbers of their slots).
    """
    document = Element("Document", is_mapped=True)
    message = document.child(f"{namespace} {root}", root)
    message.is_mapped = message.is_begin = True
    found = []
    for slot in slots:
        node = message
        for depth, name in enumerate(slot.path.split("/"), 1):
            key = name if name.startswith("@") else f"{namespace} {name}"
            below = node.children.get(key) or node.child(key, name)
            below.is_mapped = True
            if below.level == depth - 1 < len(repeated) and repeated[depth - 1] == name:
                below.level, below.is_begin = depth, True
            node = below
        node.slot = slot
        found.append(node)
    return document, found
