"""Records of rules.v1."""

from typing import Any

from riskstream.domain.contracts.codec import codec


def rule(name: str = "good", **changes: Any) -> bytes:
    return codec("rule.v1").encode(
        {
            "rule_id": name,
            "version": 1,
            "is_on": True,
            "when": "base_amount_minor > 5",
            "action": "REVIEW",
            "reason": "R",
            "max_share": 0.5,
            "feature_set": "standard.v1",
            "changed_at": 1,
            "changed_by": "",
            **changes,
        }
    )
