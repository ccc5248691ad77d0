"""The exit codes of every command and every service: one table, which docs/exit-codes.md shows."""

from enum import IntEnum


class Exit(IntEnum):
    """What a process's end says. 70 and 75 are those of sysexits.h, 130 is a shell's own."""

    DONE = 0
    NO = 1
    INPUT = 2
    NOT_NOW = 3
    NO_DISK = 4
    NO_NETWORK = 5
    NO_START = 6
    FAULT = 70
    UNAVAILABLE = 75
    INTERRUPTED = 130


MEANINGS: dict[Exit, tuple[str, str, str]] = {
    Exit.DONE: (
        "done",
        "It did what was asked, or was stopped by SIGTERM. The gateway ends with it on Ctrl-C too.",
        "nothing",
    ),
    Exit.NO: (
        "no",
        "A check does not hold (parity, reports, a rule's `max_share`, a damaged snapshot), no row "
        "of a file fits, or something stands in the way.",
        "read its last line",
    ),
    Exit.INPUT: (
        "wrong input",
        "An option, a setting, a file or a mapping is wrong, or a topic, a Redis or a release is "
        "not as it is needed. Nothing was changed. `riskstream topics plan` says with it that "
        "something differs.",
        "correct what the sentence names",
    ),
    Exit.NOT_NOW: (
        "not now",
        "A port is taken, nothing runs that could be shown, or somebody else changed a release "
        "meanwhile.",
        "look who holds it, or start what is missing",
    ),
    Exit.NO_DISK: (
        "no disk",
        "The local stack found too little free disk, a replay found none for rows that wait, or a "
        "command none for its output.",
        "free some, or give another `--dir`, `TMPDIR` or output",
    ),
    Exit.NO_NETWORK: (
        "no network",
        "Kafka's jars or a schema registry could not be downloaded.",
        "connect once, or give `--kafka`",
    ),
    Exit.NO_START: (
        "no start",
        "A server of the local stack did not start, or ended by itself.",
        "read the log that the sentence names",
    ),
    Exit.FAULT: (
        "fault",
        "A service had work and made no progress for 30 s, one of its threads died, or a batch "
        "could not be scored. The fault is ours.",
        "start it again; its log says which records they were",
    ),
    Exit.UNAVAILABLE: (
        "unavailable",
        "Kafka or Redis could not be reached in time, or a group gave a process no partition.",
        "start it again once that is available",
    ),
    Exit.INTERRUPTED: (
        "interrupted",
        "Ctrl-C, of all but the gateway, or a replay that was stopped.",
        "run it again",
    ),
}
"""Of each code: a word or two, what it means, and what to do."""
