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
    """In `module`, `old` becomes `new`. `what`: what the fault is, in words."""

    name: str
    what: str
    module: str
    old: str
    new: str
    scene: str = "exact"


def _of(name: str, what: str, module: str, old: str, new: str, scene: str = "exact") -> Mutation:
    return Mutation(
        name,
        what,
        f"riskstream.{module}" if "." in module else f"riskstream.platform.kafka.{module}",
        old,
        new,
        scene,
    )


MUTATIONS: tuple[Mutation, ...] = (
    _of(
        "ack",
        "a checkpoint is written before its answers are acknowledged (I5)",
        "owned",
        "return self.acked_src >= up_to and not any",
        "return True or not any",
    ),
    _of(
        "letters",
        "a checkpoint does not wait for dead letters (I5)",
        "owned",
        "return self.acked_src >= up_to and not any(src <= up_to for src in self.dead_letters_out)",
        "return self.acked_src >= up_to",
    ),
    _of(
        "still",
        "records of a poll are taken whatever became of the partition within it",
        "lane",
        "return owned is not None and owned.number == number and owned.phase is Phase.RUNNING",
        "return owned is not None",
    ),
    _of(
        "seek",
        "a partition goes on one record too late",
        "lane",
        "owned.partition, found.start)",
        "owned.partition, found.start + 1)",
    ),
    _of(
        "drain",
        "after an exception a last checkpoint is written (I5)",
        "lane",
        "return self._is_at_edge and not self._is_broken and self._outputs.failure is None",
        "return self._outputs.failure is None",
    ),
    _of(
        "first",
        "of two answers to a record the last one counts for a replay",
        "verdicts",
        "is_first[1:] = srcs[1:] != srcs[:-1]",
        "is_first[:-1] = srcs[1:] != srcs[:-1]",
    ),
    _of(
        "gap",
        "state that lacks records is taken for whole (A2)",
        "standing",
        "        missing = self.missing\n        if missing is not None:\n            "
        "return missing + 1\n        has_gap",
        "        return None\n        missing = self.missing\n        has_gap",
    ),
    _of(
        "refused",
        "a checkpoint that a store refused counts as written (I6)",
        "checkpoints",
        "if stored_src is None:  # I6: the store went back\n            return False",
        "if stored_src is None:\n            stored_src = pending.copied_to_src",
    ),
    _of(
        "went-back",
        "rows of a store that went back are taken (I6)",
        "lane_reads",
        "if went_back or owned.touched_unreadable:",
        "if owned.touched_unreadable:",
    ),
    _of(
        "highest",
        "the highest watermark that was read is forgotten (I6)",
        "lane_reads",
        "owned.highest_stored_src = max(owned.highest_stored_src, stored_src)",
        "pass",
    ),
    _of(
        "abandoned",
        "a partition of which another owner is ahead goes on (B3)",
        "lane",
        "for partition in outcome.abandoned:\n            ahead",
        "for partition in ():\n            ahead",
    ),
    _of(
        "accept",
        "a reader takes a repeat for new (I4)",
        "positions",
        "if src <= last:",
        "if src < last:",
    ),
    _of(
        "stale",
        "what a fetch before the seek brought is taken",
        "lane_intake",
        "if mine[0] <= owned.position or (mine[1:] <= mine[:-1]).any():",
        "if False:",
    ),
    _of(
        "behind",
        "the output is read from its mark on, where a late append may stand before it",
        "output_tail",
        "while start > low and found.hole",
        "while False and found.hole",
    ),
    _of(
        "prev",
        "an answer names its own offset's neighbour as the one before it",
        "lane_intake",
        "prevs[rows[0]] = owned.position",
        "prevs[rows[0]] = mine[0] - 1",
    ),
    _of(
        "mode",
        "a record that was answered is answered again as new",
        "lane_intake",
        "modes[row], answers[row] = replay_modes[recorded.verdict], recorded.answer",
        "answers[row] = recorded.answer",
    ),
    _of(
        "drop",
        "what memory held before is kept when a partition is opened again",
        "lane",
        "        self._waits.forget(partition)\n        self._work.drop(partition)\n       "
        " self._owned[partition] = Owned",
        "        self._waits.forget(partition)\n        self._owned[partition] = Owned",
    ),
    _of(
        "came-back",
        "unknown rows stay unknown when the store is back (W3)",
        "lane_reads",
        "return touched if is_back else []",
        "return []",
    ),
    _of(
        "unreadable",
        "a checkpoint passes records whose rows were unknown (W1)",
        "checkpoints",
        "                or owned.touched_unreadable\n",
        "",
    ),
    _of(
        "begin",
        "a store is not told that its state begins anew (A2)",
        "recovery",
        "if mark and mark.whole_since == since and mark.stored_src == found.base:",
        "if True:",
    ),
    _of(
        "flag",
        "scores of a state that is not whole do not say so (A2)",
        "lane_intake",
        "if owned.whole_since:",
        "if False:",
    ),
    _of(
        "expired",
        "where the head passed a partition, it goes on at the head",
        "lane",
        '        self._reopen(partition, "the source does not hold the next record any more")',
        "        self._consumer.resume([where])",
    ),
    _of(
        "resent",
        "dead letters of rejected records are not sent again when they are replayed (A5)",
        "lane_outputs",
        "if found is not None:  # what is left is what was rejected",
        "if False:",
    ),
    _of(
        "commit",
        "what was taken is committed before it is acknowledged (B4)",
        "lane_commits",
        "offsets.append(TopicPartition(source, owned.partition, owned.acked_src + 1,",
        "offsets.append(TopicPartition(source, owned.partition, max(owned.acked_src, "
        "owned.position) + 1,",
    ),
    _of(
        "rows-to",
        "rows past the watermark of a state that was lost are forgotten (A2)",
        "standing",
        "known += [self.mark.stored_src, self.mark.rows_to]",
        "known += [self.mark.stored_src]",
    ),
    _of(
        "giant",
        "a giant where lost state begins anew ends the process",
        "recovery",
        "if is_giant(message.error()):",
        "if False:",
    ),
    _of(
        "offsets",
        "a transaction is committed without the source's offsets",
        "transactions",
        "self._patiently(self._producer.send_offsets_to_transaction, offsets, group, 10)",
        "pass",
        "tracker",
    ),
    _of(
        "go-back",
        "after an abort memory stays as it is",
        "derived",
        "        self._unopened |= self._parts.keys()\n        self._parts.clear()\n",
        "        return\n",
        "tracker",
    ),
    _of(
        "derived-broken",
        "after an exception a last transaction is committed",
        "derived",
        "if self._transactions.failure is None and not self._is_broken:",
        "if self._transactions.failure is None:",
        "tracker",
    ),
    _of(
        "flushed",
        "a commit says that all state was written when it was not",
        "derived",
        "            if flush:\n                part.flushed",
        "            if True:\n                part.flushed",
        "tracker",
    ),
    _of(
        "alerted",
        "alerts that were written before the group's offsets were lost are written again",
        "tracker.core",
        "is_alerted=record.offset < committed or src <= owned.alerted",
        "is_alerted=record.offset < committed",
        "tracker",
    ),
    _of(
        "committed",
        "alerts that were committed are written again when the states behind them are made again",
        "tracker.core",
        "is_alerted=record.offset < committed or src <= owned.alerted",
        "is_alerted=src <= owned.alerted",
        "tracker",
    ),
    _of(
        "lost-offsets",
        "a tracker whose group's offsets are lost counts what its states hold again",
        "tracker.core",
        "            self._reader.last[partition] = owned.standing.position\n            "
        "return max(at, 0)",
        "            self._reader.last.pop(partition, None)\n            return 0",
        "tracker",
    ),
    _of(
        "alerted-kept",
        "a tracker that dies before it has caught up forgets up to where alerts were written",
        "tracker.core",
        'return f"{text};{_ALERTED}{alerted}" if alerted > '
        "self._reader.last.get(partition, -1) else text",
        "return text",
        "tracker",
    ),
    _of(
        "derived-stale",
        "what a fetch before the seek brought is folded in beside the same records",
        "derived",
        " or (mine and offset <= mine[-1].offset):",
        ":",
        "tracker",
    ),
    _of(
        "report-cut",
        "a report counts scores that its states do not hold yet",
        "reporter.snapshot",
        "self.totals.of(number).take_scores(self._scored(records), until)",
        "self.totals.of(number).take_scores(self._scored(records), 1 << 62)",
        "reports",
    ),
    _of(
        "unflushed",
        "a forward lane commits what the broker has not acknowledged",
        "forward",
        "if flushed(self._producer, _DRAIN_S) or self.failure is not None:",
        "if self.failure is not None:",
        "forward",
    ),
    _of(
        "no-letters",
        "a forward lane leaves out what cannot be read",
        "forward",
        "        if letters is None:\n            return",
        "        if True:\n            return",
        "forward",
    ),
    _of(
        "one-further",
        "a forward lane commits one record too many",
        "forward",
        "self._positions[topic, partition] = offset + 1",
        "self._positions[topic, partition] = offset + 2",
        "forward",
    ),
    _of(
        "no-head",
        "a forward lane that the head passed stays where it was",
        "forward",
        "        for place in sorted(self._expired):",
        "        for place in ():",
        "forward",
    ),
)


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from its changed text."""

    mutation: Mutation

    def get_code(self, fullname: str) -> CodeType:
        mutation, path = self.mutation, self.get_filename(fullname)
        text = Path(path).read_text()
        assert text.count(mutation.old) == 1, (
            f"{mutation.name}: its text stands {text.count(mutation.old)} times in {path}"
        )
        code = compile(text.replace(mutation.old, mutation.new), path, "exec")
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
