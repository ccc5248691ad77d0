"""The bodies that the client takes. Made by `make gen`: change a schema, not this file."""

from typing import Literal, NotRequired, TypedDict


class TransactionBody(TypedDict):
    """One payment as an upstream service saw it. Key: customer_id. Money features use
    base_amount_minor.
    """

    transaction_id: str
    """Identifier given by the upstream service, unique a customer. Bounds: 1 to 256 bytes."""
    customer_id: str
    """Customer, and the record's key. Bounds: 1 to 256 bytes."""
    account_token: str
    """Token of the card or account; never its number. Bounds: 1 to 256 bytes."""
    terminal_id: NotRequired[str | None]
    """Terminal where it was made; null for transfers. Bounds: 1 to 256 bytes."""
    merchant_id: NotRequired[str | None]
    """Merchant; null for transfers. Bounds: 1 to 256 bytes."""
    mcc: NotRequired[int | None]
    """Merchant category code of ISO 18245, 0 to 9999."""
    country: NotRequired[str | None]
    """Country of the terminal or merchant, ISO 3166-1 alpha-2. Bounds: at most 2 bytes, shaped
    `[A-Z]{2}`.
    """
    channel: Literal["POS", "ECOM", "ATM", "MOBILE", "BRANCH"]
    """Where the transaction was started."""
    kind: Literal["PURCHASE", "REFUND", "CASH", "TRANSFER"]
    """What moves."""
    amount_minor: int
    """Amount in minor units of currency, 0 to 10^13."""
    currency: str
    """ISO 4217 code of amount_minor. Bounds: at most 3 bytes, shaped `[A-Z]{3}`."""
    base_amount_minor: NotRequired[int | None]
    """The amount in minor units of base_currency, 0 to 10^13; filled by the gateway or the
    producer, never by the scorer. Filled in where it is left out.
    """
    base_currency: NotRequired[str | None]
    """ISO 4217 code of base_amount_minor. Bounds: at most 3 bytes, shaped `[A-Z]{3}`. Filled
    in where it is left out.
    """
    rates_version: NotRequired[str | None]
    """Version of the exchange rates behind base_amount_minor; empty when none was applied.
    Bounds: at most 64 bytes. Filled in where it is left out.
    """
    device_id: NotRequired[str | None]
    """Device that started it. Bounds: 1 to 256 bytes."""
    counterparty_id: NotRequired[str | None]
    """Receiver of a transfer. Bounds: 1 to 256 bytes."""
    occurred_at: int
    """Event time, UTC."""
    corrects: NotRequired[str | None]
    """transaction_id of the transaction that this one corrects. Bounds: 1 to 256 bytes."""


class LabelBody(TypedDict):
    """What a transaction turned out to be, once that is known. Key: customer_id."""

    label_id: str
    """Identifier of this statement; a repeat has the same. Bounds: 1 to 256 bytes."""
    transaction_id: str
    """Transaction. Bounds: 1 to 256 bytes."""
    customer_id: str
    """Customer, and the record's key. Bounds: 1 to 256 bytes."""
    outcome: Literal["FRAUD", "GENUINE"]
    """What it turned out to be."""
    source: Literal["CHARGEBACK", "ANALYST", "CUSTOMER", "IMPORT"]
    """Who says so."""
    occurred_at: int
    """Event time of the transaction, UTC."""
    known_at: NotRequired[int | None]
    """When it became known, UTC. Filled in where it is left out."""
    loss_minor: NotRequired[int | None]
    """Loss in minor units of base_currency."""
    base_currency: NotRequired[str | None]
    """ISO 4217 code of loss_minor. Bounds: at most 3 bytes, shaped `[A-Z]{3}`. Filled in where
    it is left out.
    """
    terminal_id: NotRequired[str | None]
    """Terminal of the transaction: without it the label cannot reach the terminal's profile.
    Bounds: 1 to 256 bytes.
    """
    device_id: NotRequired[str | None]
    """Device of the transaction, as terminal_id. Bounds: 1 to 256 bytes."""
