"""The Python client of the gateway: `Client`, and `AsyncClient` for asyncio.

It needs httpx2 alone (`pip install "riskstream[client]"`), and loads nothing else of riskstream but
the records. Each call ends within one deadline, its retries included (docs/client.md).
"""

from riskstream.client.answers import Accepted, BatchItem, Decision
from riskstream.client.asynchronous import AsyncClient
from riskstream.client.bodies import LabelBody, TransactionBody
from riskstream.client.errors import BadAnswer, ClientError, NoAnswer, Problem, Refused
from riskstream.client.synchronous import Client

__all__ = [
    "Accepted",
    "AsyncClient",
    "BadAnswer",
    "BatchItem",
    "Client",
    "ClientError",
    "Decision",
    "LabelBody",
    "NoAnswer",
    "Problem",
    "Refused",
    "TransactionBody",
]
