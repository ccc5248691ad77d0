"""What callers are told without a score: rules of the transaction alone, then the amount."""

import asyncio
from typing import Any

from tests.support.builders import transaction

from riskstream.domain.contracts.codec import codec
from riskstream.domain.risk.features.sets import SETS
from riskstream.domain.risk.rules.book import RuleBook, read_book
from riskstream.domain.risk.rules.rule import names_alone
from riskstream.gateway.asking import LadderQueue
from riskstream.gateway.ladder import MAX_REASONS, OVER_LIMIT, Ladder, Step

LIMIT = 5000


def _rule(rule_id: str, when: str, action: str = "REVIEW", reason: str = "") -> dict[str, Any]:
    return {
        "rule_id": rule_id,
        "version": 1,
        "is_on": True,
        "when": when,
        "action": action,
        "reason": reason or rule_id.upper(),
        "max_share": 0.5,
        "feature_set": "",
    }


def _book(*rules: dict[str, Any]) -> RuleBook:
    return read_book(rules, [], names_alone(SETS.values()))


def _frame(**changes: Any) -> tuple[bytes, int]:
    made = transaction(**changes)
    return codec("transaction.v1").encode(made), made["base_amount_minor"]


def _decided(ladder: Ladder, **changes: Any) -> Step:
    frame, amount = _frame(**changes)
    return ladder.decide([frame], [amount])[0]


def test_before_the_rules_are_known_the_amount_decides() -> None:
    ladder = Ladder(LIMIT)
    assert _decided(ladder, base_amount_minor=LIMIT) == Step(rung="AMOUNT", decision="APPROVE")
    assert _decided(ladder, base_amount_minor=LIMIT + 1) == Step(
        rung="AMOUNT", decision="REVIEW", reasons=(OVER_LIMIT,)
    )
    assert _decided(Ladder(0), base_amount_minor=1).decision == "REVIEW"


def test_rules_raise_a_decision_and_never_lower_it() -> None:
    ladder = Ladder(LIMIT)
    ladder.next_book = book = _book(
        _rule("far", "country == 'KP'", "BLOCK"), _rule("online", "channel == 'ECOM'")
    )
    none = _decided(ladder, channel="POS", country="BE", base_amount_minor=1)
    assert none == Step(rung="RULES", decision="APPROVE", rules_version=book.version)
    both = _decided(ladder, channel="ECOM", country="KP", base_amount_minor=LIMIT + 1)
    assert both == Step(
        rung="RULES",
        decision="BLOCK",
        reasons=(OVER_LIMIT, "FAR", "ONLINE"),
        rules=("far", "online"),
        rules_version=book.version,
    )
    assert _decided(ladder, channel="POS", base_amount_minor=LIMIT + 1).decision == "REVIEW"


def test_rules_that_need_a_feature_or_the_score_are_left_out() -> None:
    names = {each.name for each in SETS["standard"].features}
    need = [
        _rule("by-score", "score > 0.1"),
        _rule("by-no-score", "not (score > 0.9)"),
        _rule("by-feature", f"{sorted(names)[0]} is None"),
    ]
    book = _book(*need, _rule("by-hour", "hour >= 0"))
    assert [rule.rule_id for rule in book.rules] == ["by-hour"]
    assert {rule_id for rule_id, _ in book.refused} == {"by-score", "by-no-score", "by-feature"}


def test_callers_of_one_turn_are_decided_together_each_by_its_own_transaction() -> None:
    ladder = Ladder(LIMIT)
    ladder.next_book = _book(_rule("online", "channel == 'ECOM'", "BLOCK"))
    turns: list[int] = []
    decide = ladder.decide

    def seen(frames: list[bytes], amounts: list[int]) -> list[Step]:
        turns.append(len(frames))
        return decide(frames, amounts)

    ladder.decide = seen  # type: ignore[method-assign]

    async def run() -> list[Step]:
        asked = [_frame(channel="ECOM" if at % 3 else "POS") for at in range(9)]
        queue = LadderQueue(ladder)
        return list(await asyncio.gather(*(queue.ask(*each) for each in asked)))

    found = asyncio.run(run())
    assert [each.decision for each in found] == ["APPROVE", "BLOCK", "BLOCK"] * 3
    assert turns == [9]


def test_reasons_have_the_room_that_the_contract_gives() -> None:
    ladder = Ladder(0)
    ladder.next_book = _book(*(_rule(f"r{at}", "hour >= 0") for at in range(12)))
    step = _decided(ladder, base_amount_minor=1)
    assert len(step.reasons) == MAX_REASONS
    assert step.reasons[0] == OVER_LIMIT


def test_a_ladder_that_fails_lets_nobody_wait() -> None:
    ladder = Ladder(0)

    def broken(frames: list[bytes], amounts: list[int]) -> list[Step]:
        raise ValueError("anything")

    ladder.decide = broken  # type: ignore[method-assign]

    async def run() -> list[object]:
        queue = LadderQueue(ladder)
        asked = (queue.ask(*_frame()) for _ in range(2))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    assert [str(each) for each in asyncio.run(run())] == ["anything", "anything"]
