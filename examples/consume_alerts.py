"""An alert consumer in 20 lines: python examples/consume_alerts.py KAFKA_ADDRESS [HOW_MANY]"""

import sys

from confluent_kafka import Consumer

from riskstream.domain.contracts.codec import codec

if len(sys.argv) < 2:
    sys.exit("give the address: python examples/consume_alerts.py KAFKA_ADDRESS [HOW_MANY]")
consumer = Consumer({
    "bootstrap.servers": sys.argv[1], "group.id": "example-alerts", "auto.offset.reset": "earliest",
    "isolation.level": "read_committed", "enable.auto.commit": False,
})  # fmt: skip
consumer.subscribe(["alerts.v1"])
wanted = int(sys.argv[2]) if len(sys.argv) > 2 else None
while wanted is None or wanted > 0:
    message = consumer.poll(1.0)
    if message is None or message.error():
        continue
    alert = codec("alert.v1").decode(message.value())
    shown = (alert[name] for name in ("decision", "customer_id", "base_amount_minor"))
    print(*shown, *alert["reasons"], flush=True)
    consumer.commit(message)  # after the effect
    wanted = None if wanted is None else wanted - 1
consumer.close()
