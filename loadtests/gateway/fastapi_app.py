"""The peer of `bench-gateway`: what a team writes in an afternoon with FastAPI, uvicorn and
aiokafka. It checks an API key, a size limit, a schema by pydantic and card numbers by Luhn, encodes
Avro, and answers once all in-sync replicas have the record.

It runs in an environment of its own: `python fastapi_app.py KAFKA SCHEMA PORT KEY`.
"""

import asyncio
import hashlib
import hmac
import io
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import fastavro
import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

KAFKA, SCHEMA, PORT, _ = sys.argv[1:5]
KEY = hashlib.sha256(sys.argv[4].encode()).digest()
MOST = 8_388_608
Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Amount = Annotated[int, Field(strict=True, ge=0, le=10**13)]
_RUN = re.compile(r"(?:\d[ -]?){13,19}")
schema = fastavro.parse_schema(json.loads(Path(SCHEMA).read_text()))


def is_card(digits: str) -> bool:
    total = 0
    for at, each in enumerate(reversed(digits)):
        value = int(each) * (2 if at % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


class Transaction(BaseModel):
    model_config = ConfigDict(extra="forbid")
    transaction_id: Text
    customer_id: Text
    account_token: Text
    channel: Literal["POS", "ECOM", "ATM", "MOBILE", "BRANCH"]
    kind: Literal["PURCHASE", "REFUND", "CASH", "TRANSFER"]
    amount_minor: Amount
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]
    occurred_at: Annotated[int, Field(strict=True, ge=31_536_000_000)]
    terminal_id: Text | None = None
    merchant_id: Text | None = None
    mcc: Annotated[int, Field(ge=0, le=9999)] | None = None
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = None
    device_id: Text | None = None
    counterparty_id: Text | None = None
    corrects: Text | None = None

    @model_validator(mode="after")
    def no_card_number(self) -> "Transaction":
        for name, value in self:
            if isinstance(value, str):
                for run in _RUN.findall(value):
                    if is_card(re.sub(r"\D", "", run)):
                        raise ValueError(f"{name} holds a card number")
        if self.occurred_at > time.time() * 1000 + 300_000:
            raise ValueError("occurred_at is ahead")
        return self

    def frame(self) -> bytes:
        out = io.BytesIO(b"\0\0\0\0\0")
        out.seek(5)
        values = self.model_dump()
        values |= {"base_amount_minor": self.amount_minor, "base_currency": self.currency}
        values["rates_version"] = ""
        fastavro.schemaless_writer(out, schema, values)
        return out.getvalue()


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    app.state.producer = AIOKafkaProducer(
        bootstrap_servers=KAFKA, acks="all", enable_idempotence=True
    )
    await app.state.producer.start()
    yield
    await app.state.producer.stop()


def allowed(request: Request) -> None:
    given = hashlib.sha256(request.headers.get("x-api-key", "").encode()).digest()
    if not hmac.compare_digest(given, KEY):
        raise HTTPException(401)
    if int(request.headers.get("content-length", MOST + 1)) > MOST:
        raise HTTPException(413)


app = FastAPI(lifespan=running)


@app.post("/v1/transactions", status_code=202, dependencies=[Depends(allowed)])  # type: ignore[untyped-decorator]
async def accept(given: Transaction) -> dict[str, Any]:
    placed = await app.state.producer.send_and_wait(
        "transactions.v1", given.frame(), given.customer_id.encode()
    )
    return {
        "transaction_id": given.transaction_id,
        "partition": placed.partition,
        "offset": placed.offset,
    }


@app.post("/v1/transactions:batch", dependencies=[Depends(allowed)])  # type: ignore[untyped-decorator]
async def accept_many(given: list[Transaction]) -> dict[str, Any]:
    send = app.state.producer.send
    sent = [await send("transactions.v1", t.frame(), t.customer_id.encode()) for t in given]
    placed = await asyncio.gather(*sent)
    items = [
        {
            "status": 202,
            "transaction_id": each.transaction_id,
            "partition": at.partition,
            "offset": at.offset,
        }
        for each, at in zip(given, placed, strict=True)
    ]
    return {"accepted": len(items), "refused": 0, "items": items}


@app.get("/readyz")  # type: ignore[untyped-decorator]
async def ready() -> dict[str, bool]:
    return {"ok": True}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="error", access_log=False)
