"""A producer in 20 lines: python examples/produce.py KAFKA_ADDRESS"""

import sys
import time

from confluent_kafka import Producer

from riskstream.domain.contracts.codec import codec
from riskstream.domain.contracts.records import Transaction

if len(sys.argv) != 2:
    sys.exit("give the address: python examples/produce.py KAFKA_ADDRESS")
settings = {"enable.idempotence": True, "partitioner": "murmur2_random"}
producer = Producer({"bootstrap.servers": sys.argv[1], **settings})
now_ms = int(time.time() * 1000)
for number in range(10):
    transaction = Transaction(
        transaction_id=f"example-{now_ms}-{number}", customer_id="example-customer",
        account_token="tok-example", channel="ECOM", kind="PURCHASE", amount_minor=1999,
        currency="EUR", base_amount_minor=1999,
        occurred_at=now_ms + number,
    )  # fmt: skip
    producer.produce(
        "transactions.v1", codec("transaction.v1").encode(transaction), transaction.customer_id
    )
print("not delivered:", producer.flush(10))
