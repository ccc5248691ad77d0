"""The `standard` features in plain Python, as a careful author of a peer would write them: one
event, a few microseconds.

Events of a customer come in order of time here. Standard library only: peers run in environments of
their own.
"""

WINDOWS = (600_000, 3_600_000, 86_400_000, 604_800_000, 2_592_000_000)
KINDS = {"UNKNOWN": 0, "PURCHASE": 1, "REFUND": 2, "CASH": 3, "TRANSFER": 4}
CHANNELS = {"UNKNOWN": 0, "POS": 1, "ECOM": 2, "ATM": 3, "MOBILE": 4, "BRANCH": 5}
NAN = float("nan")
_PRUNE_AT = 256


class Customer:
    """Times and amounts in order; per window the index of its left edge and the sum right of it."""

    __slots__ = ("amounts", "left", "sums", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.amounts: list[int] = []
        self.left = [0, 0, 0, 0, 0]
        self.sums = [0, 0, 0, 0, 0]

    def add(self, at: int, amount: int) -> list[float]:
        """The 17 features of this event, which is then part of the past."""
        times, amounts, left, sums = self.times, self.amounts, self.left, self.sums
        since = (at - times[-1]) / 1000 if times else NAN
        times.append(at)
        amounts.append(amount)
        n = len(times)
        counts = []
        for w in range(5):
            index = left[w]
            total = sums[w] + amount
            edge = at - WINDOWS[w]
            while times[index] <= edge:
                total -= amounts[index]
                index += 1
            left[w] = index
            sums[w] = total
            counts.append(n - index)
        gone = left[4]
        if gone >= _PRUNE_AT:
            del times[:gone], amounts[:gone]
            self.left = [index - gone for index in left]
        s0, s1, s2, s3, s4 = sums
        c0, c1, c2, c3, c4 = counts
        others = s4 - amount
        over = amount * (c4 - 1) / others if c4 > 1 and others > 0 else NAN
        return [
            c0,
            c1,
            c2,
            c3,
            c4,
            s0,
            s1,
            s2,
            s3,
            s4,
            s0 / c0,
            s1 / c1,
            s2 / c2,
            s3 / c3,
            s4 / c4,
            over,
            since,
        ]


def inputs(transaction: dict) -> list[float]:  # type: ignore[type-arg]
    """The six values of the transaction itself."""
    at = transaction["occurred_at"]
    mcc = transaction["mcc"]
    return [
        transaction["base_amount_minor"],
        at // 3_600_000 % 24,
        (at // 86_400_000 + 3) % 7,
        KINDS[transaction["kind"]],
        CHANNELS[transaction["channel"]],
        NAN if mcc is None else mcc,
    ]


def decision(score: float, review_from: float, block_from: float) -> str:
    """What is done with a transaction of this score, 0 to 1."""
    return "APPROVE" if score < review_from else "REVIEW" if score < block_from else "BLOCK"
