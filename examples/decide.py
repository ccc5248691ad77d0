"""A decision in 10 lines: python examples/decide.py GATEWAY_URL [API_KEY]"""

import sys
import time

from riskstream.client import Client, TransactionBody

now_ms = int(time.time() * 1000)
payment = TransactionBody(
    transaction_id=f"example-{now_ms}", customer_id="example-customer", account_token="tok-example",
    channel="ECOM", kind="PURCHASE", amount_minor=1999, currency="EUR", occurred_at=now_ms,
)  # fmt: skip
with Client(sys.argv[1], *sys.argv[2:3]) as gateway:
    decision = gateway.decide(payment, deadline_ms=1000)
    print(decision.decision, decision.rung, decision.score, *decision.reasons)
