"""Faults put back: each is a small change of the product's source, and the simulation must find it.

A mutated module is loaded from its changed text, in a process of its own; no file is written.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutation:
    """In `module`, `old` becomes `new`; it stands there once. `what`: what the fault is, in
    words.
    """

    name: str
    what: str
    module: str
    old: str
    new: str
    scene: str = "exact"

    def put_into(self, text: str) -> str:
        """The module's text with the fault."""
        times = text.count(self.old)
        assert times == 1, f"{self.name}: its text stands {times} times in {self.module}"
        return text.replace(self.old, self.new)


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "ack",
        "a checkpoint is written before its answers are acknowledged (I5)",
        "riskstream.platform.kafka.lanes.exact.owned",
        "return self.acked_src >= up_to and not any",
        "return True or not any",
    ),
    Mutation(
        "letters",
        "a checkpoint does not wait for dead letters (I5)",
        "riskstream.platform.kafka.lanes.exact.owned",
        "return self.acked_src >= up_to and not any(src <= up_to for src in self.dead_letters_out)",
        "return self.acked_src >= up_to",
    ),
    Mutation(
        "still",
        "records of a poll are taken whatever became of the partition within it",
        "riskstream.platform.kafka.lanes.exact.partitions",
        "            and owned.number == number\n"
        "            and owned.phase is Phase.RUNNING\n        }",
        "        }",
    ),
    Mutation(
        "seek",
        "a partition goes on one record too late",
        "riskstream.platform.kafka.lanes.exact.partitions",
        "owned.partition, found.start)",
        "owned.partition, found.start + 1)",
    ),
    Mutation(
        "drain",
        "after an exception a last checkpoint is written (I5)",
        "riskstream.platform.kafka.lanes.exact.edge",
        "return self.is_reached and not self.is_broken and self._outputs.failure is None",
        "return self._outputs.failure is None",
    ),
    Mutation(
        "first",
        "of two answers to a record the last one counts for a replay",
        "riskstream.platform.kafka.lanes.exact.verdicts",
        "is_first[1:] = srcs[1:] != srcs[:-1]",
        "is_first[:-1] = srcs[1:] != srcs[:-1]",
    ),
    Mutation(
        "gap",
        "state that lacks records is taken for whole (A2)",
        "riskstream.platform.kafka.lanes.exact.standing",
        "        missing = self.missing\n        if missing is not None:\n            "
        "return missing + 1",
        "        return None\n        missing = self.missing",
    ),
    Mutation(
        "refused",
        "a checkpoint that a store refused counts as written (I6)",
        "riskstream.platform.kafka.lanes.exact.checkpoints",
        "if stored_src is None:  # I6: the store went back\n            return False",
        "if stored_src is None:\n            stored_src = pending.copied_to_src",
    ),
    Mutation(
        "went-back",
        "rows of a store that went back are taken (I6)",
        "riskstream.platform.kafka.lanes.exact.reads",
        "if went_back or owned.touched_unreadable:",
        "if owned.touched_unreadable:",
    ),
    Mutation(
        "highest",
        "the highest watermark that was read is forgotten (I6)",
        "riskstream.platform.kafka.lanes.exact.reads",
        "owned.highest_stored_src = max(owned.highest_stored_src, stored_src)",
        "pass",
    ),
    Mutation(
        "abandoned",
        "a partition of which another owner is ahead goes on (B3)",
        "riskstream.platform.kafka.lanes.exact.partitions",
        "for partition in outcome.abandoned:\n            ahead",
        "for partition in ():\n            ahead",
    ),
    Mutation(
        "accept",
        "a reader takes a repeat for new (I4)",
        "riskstream.platform.kafka.positions",
        "if src <= last:",
        "if src < last:",
    ),
    Mutation(
        "stale",
        "what a fetch before the seek brought is taken",
        "riskstream.platform.kafka.lanes.exact.intake",
        "if mine[0] <= owned.position or (mine[1:] <= mine[:-1]).any():",
        "if False:",
    ),
    Mutation(
        "behind",
        "the output is read from its mark on, where a late append may stand before it",
        "riskstream.platform.kafka.lanes.exact.output_tail",
        "while start > low and found.hole",
        "while False and found.hole",
    ),
    Mutation(
        "prev",
        "an answer names its own offset's neighbour as the one before it",
        "riskstream.platform.kafka.lanes.exact.intake",
        "prevs[rows[0]] = owned.position",
        "prevs[rows[0]] = mine[0] - 1",
    ),
    Mutation(
        "mode",
        "a record that was answered is answered again as new",
        "riskstream.platform.kafka.lanes.exact.intake",
        "modes[rows[is_there & (codes == code)]] = replay_modes[owned.recorded.name(code)]",
        "modes[rows[is_there & (codes == code)]] = LIVE",
    ),
    Mutation(
        "drop",
        "what memory held before is kept when a partition is opened again",
        "riskstream.platform.kafka.lanes.exact.partitions",
        "        self._work.drop(partition)\n        self.owned[partition] = Owned",
        "        self.owned[partition] = Owned",
    ),
    Mutation(
        "forget",
        "what memory held is kept when a partition is lost",
        "riskstream.platform.kafka.lanes.exact.partitions",
        "            self._waits.forget(partition)\n            self._work.drop(partition)\n",
        "            self._waits.forget(partition)\n",
    ),
    Mutation(
        "came-back",
        "unknown rows stay unknown when the store is back (W3)",
        "riskstream.platform.kafka.lanes.exact.reads",
        "            if is_back:\n                return touched\n",
        "",
    ),
    Mutation(
        "unreadable",
        "a checkpoint passes records whose rows were unknown (W1)",
        "riskstream.platform.kafka.lanes.exact.owned",
        "            and not self.touched_unreadable\n",
        "",
    ),
    Mutation(
        "begin",
        "a store is not told that its state begins anew (A2)",
        "riskstream.platform.kafka.lanes.exact.recovery",
        "if mark and mark.whole_since == since and mark.stored_src == found.base:",
        "if True:",
    ),
    Mutation(
        "flag",
        "scores of a state that is not whole do not say so (A2)",
        "riskstream.platform.kafka.lanes.exact.intake",
        "if owned.whole_since:",
        "if False:",
    ),
    Mutation(
        "expired",
        "where the head passed a partition, it goes on at the head",
        "riskstream.platform.kafka.lanes.exact.partitions",
        '        self.reopen(place[1], "the source does not hold the next record any more")',
        "        client.resume([where])",
    ),
    Mutation(
        "resent",
        "dead letters of rejected records are not sent again when they are replayed (A5)",
        "riskstream.platform.kafka.lanes.exact.outputs",
        "if found is not None:  # what is left is what was rejected",
        "if False:",
    ),
    Mutation(
        "commit",
        "what was taken is committed before it is acknowledged (B4)",
        "riskstream.platform.kafka.lanes.exact.commits",
        "TopicPartition(source, owned.partition, owned.acked_src + 1,",
        "TopicPartition(source, owned.partition, max(owned.acked_src, owned.position) + 1,",
    ),
    Mutation(
        "rows-to",
        "rows past the watermark of a state that was lost are forgotten (A2)",
        "riskstream.platform.kafka.lanes.exact.standing",
        "known += [self.mark.stored_src, self.mark.rows_to]",
        "known += [self.mark.stored_src]",
    ),
    Mutation(
        "giant",
        "a giant where lost state begins anew ends the process",
        "riskstream.platform.kafka.lanes.exact.standing_reader",
        "if is_giant(message.error()):",
        "if False:",
    ),
    Mutation(
        "offsets",
        "a transaction is committed without the source's offsets",
        "riskstream.platform.kafka.lanes.transactions",
        "self._patiently(self._producer.send_offsets_to_transaction, offsets, group, 10)",
        "pass",
        "tracker",
    ),
    Mutation(
        "go-back",
        "after an abort memory stays as it is",
        "riskstream.platform.kafka.lanes.derived_partitions",
        "        self._unopened |= self.parts.keys()\n        self.parts.clear()\n",
        "        return\n",
        "tracker",
    ),
    Mutation(
        "derived-broken",
        "after an exception a last transaction is committed",
        "riskstream.platform.kafka.lanes.derived",
        "if self._transactions.failure is None and not self._is_broken:",
        "if self._transactions.failure is None:",
        "tracker",
    ),
    Mutation(
        "flushed",
        "a commit says that all state was written when it was not",
        "riskstream.platform.kafka.lanes.derived",
        "            if flush:\n                part.flushed",
        "            if True:\n                part.flushed",
        "tracker",
    ),
    Mutation(
        "alerted",
        "alerts that were written before the group's offsets were lost are written again",
        "riskstream.tracker.core",
        "(offsets < committed) | (srcs <= owned.alerted)",
        "offsets < committed",
        "tracker",
    ),
    Mutation(
        "committed",
        "alerts that were committed are written again when the states behind them are made again",
        "riskstream.tracker.core",
        "(offsets < committed) | (srcs <= owned.alerted)",
        "srcs <= owned.alerted",
        "tracker",
    ),
    Mutation(
        "lost-offsets",
        "a tracker whose group's offsets are lost counts what its states hold again",
        "riskstream.tracker.core",
        "            self._reader.last[partition] = owned.standing.position\n            "
        "return max(at, 0)",
        "            self._reader.last.pop(partition, None)\n            return 0",
        "tracker",
    ),
    Mutation(
        "alerted-kept",
        "a tracker that dies before it has caught up forgets up to where alerts were written",
        "riskstream.tracker.core",
        "            if alerted > self._reader.last.get(partition, -1)\n",
        "            if False\n",
        "tracker",
    ),
    Mutation(
        "derived-stale",
        "what a fetch before the seek brought is folded in beside the same records",
        "riskstream.platform.kafka.lanes.derived_intake",
        "rows = rows[at > before]",
        "rows = rows[at >= part.position]",
        "tracker",
    ),
    Mutation(
        "report-cut",
        "a report counts scores that its states do not hold yet",
        "riskstream.reporter.snapshot",
        "self._series(records), until)",
        "self._series(records), 1 << 62)",
        "reports",
    ),
    Mutation(
        "unflushed",
        "a forward lane commits what the broker has not acknowledged",
        "riskstream.platform.kafka.lanes.forward_outputs",
        "return not flushed(self._producer, _DRAIN_S) and self.failure is None",
        "return self.failure is None",
        "forward",
    ),
    Mutation(
        "no-letters",
        "a forward lane leaves out what cannot be read",
        "riskstream.platform.kafka.lanes.forward_outputs",
        "        if letters is None:\n            return",
        "        if True:\n            return",
        "forward",
    ),
    Mutation(
        "one-further",
        "a forward lane commits one record too many",
        "riskstream.platform.kafka.lanes.forward",
        "self._partitions.positions[intake.topic, partition] = offset + 1",
        "self._partitions.positions[intake.topic, partition] = offset + 2",
        "forward",
    ),
    Mutation(
        "no-head",
        "a forward lane that the head passed stays where it was",
        "riskstream.platform.kafka.lanes.forward_partitions",
        "        for place, start in self._expired.begun_anew(self.positions.get):",
        "        for place, start in ():",
        "forward",
    ),
)


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from its changed text."""

    mutation: Mutation

    def get_code(self, fullname: str) -> CodeType:
        mutation, path = self.mutation, self.get_filename(fullname)
        text = Path(path).read_text()
        code = compile(mutation.put_into(text), path, "exec")
        assert isinstance(code, CodeType)
        return code


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._mutation.module:
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert found is not None
        assert found.origin is not None
        loader = _Loader(fullname, str(Path(found.origin)))
        loader.mutation = self._mutation
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)


def put_back(name: str) -> Mutation:
    """From now on the module is loaded with the fault; before anything of the product is
    imported.
    """
    [mutation] = [each for each in MUTATIONS if each.name == name]
    assert mutation.module not in sys.modules
    sys.meta_path.insert(0, _Finder(mutation))
    return mutation
