"""The records of the contracts. Made by `make gen`: change a schema, not this file."""

from dataclasses import dataclass
from typing import Literal

AnswerOutcome = Literal["UNKNOWN", "DECIDED", "REJECTED", "TIMED_OUT"]
Channel = Literal["UNKNOWN", "POS", "ECOM", "ATM", "MOBILE", "BRANCH"]
Decision = Literal["UNKNOWN", "APPROVE", "REVIEW", "BLOCK"]
Grain = Literal["UNKNOWN", "HOURLY", "DAILY"]
Kind = Literal["UNKNOWN", "PURCHASE", "REFUND", "CASH", "TRANSFER"]
LabelSource = Literal["UNKNOWN", "CHARGEBACK", "ANALYST", "CUSTOMER", "IMPORT"]
Outcome = Literal["UNKNOWN", "FRAUD", "GENUINE"]
ProfileLabelSource = Literal["UNKNOWN", "CHARGEBACK", "ANALYST", "CUSTOMER", "IMPORT"]
ProfileOutcome = Literal["UNKNOWN", "FRAUD", "GENUINE"]
ProfileStep = Literal["UNKNOWN", "EVENT", "LABEL"]
ReleaseStatus = Literal["UNKNOWN", "ACTIVE", "WITHDRAWN"]
RuleAction = Literal["UNKNOWN", "REVIEW", "BLOCK"]
Rung = Literal["UNKNOWN", "SCORE", "RULES", "AMOUNT"]
Told = Literal["UNKNOWN", "APPROVE", "REVIEW", "BLOCK"]
Verdict = Literal["UNKNOWN", "GOOD", "REJECTED", "DUPLICATE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An accepted score that was not approved, or one that came after its caller had been told something else. Key: customer_id."""

    alert_id: str
    """Derived from the source position, so a repeat has the same id. Bounds: at most 256 bytes."""
    kind: str = "score"
    """What raised it: `score`, a decision of the score; `late_score`, a score that disagrees with what the gateway had told the caller. Bounds: at most 64 bytes."""
    transaction_id: str
    """Transaction. Bounds: at most 256 bytes."""
    customer_id: str
    """Customer, and the record's key. Bounds: at most 256 bytes."""
    score: float
    """Estimated probability of fraud, 0 to 1."""
    decision: Decision
    """REVIEW or BLOCK; of a late score also APPROVE."""
    reasons: tuple[str, ...] = ()
    """Up to 4 reason codes, the strongest first. Bounds: at most 240 bytes each, at most 8 items."""
    base_amount_minor: int
    """The transaction's amount in minor units of base_currency."""
    base_currency: str
    """ISO 4217 code of base_amount_minor. Bounds: at most 3 bytes."""
    occurred_at: int
    """Event time of the transaction, UTC."""
    src_partition: int
    """Partition of the transaction and of its score."""
    src: int
    """Source offset of the transaction."""
    model_version: str | None = None
    """Version of the model that scored it. Bounds: at most 256 bytes."""
    raised_at: int
    """Append time of the score, UTC."""
    told: Told | None = None
    """What the caller had been told without the score, where kind is late_score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the gateway told a waiting caller. Key: customer_id."""

    transaction_id: str
    """Transaction. Bounds: at most 256 bytes."""
    customer_id: str
    """Customer, and the record's key. Bounds: at most 256 bytes."""
    outcome: AnswerOutcome
    """How the call ended: with the score's decision, its rejection, or without a score, by the ladder."""
    decision: Decision | None = None
    """The decision that was told."""
    score: float | None = None
    """The score that was told."""
    src_partition: int | None = None
    """Partition of the transaction, when it is known."""
    src: int | None = None
    """Offset of the transaction, when it is known."""
    deadline_ms: int
    """Deadline of the call."""
    elapsed_ms: float
    """Time from the request to the answer."""
    answered_at: int
    """When it was answered, UTC."""
    answer_id: str = ""
    """Of this answer; an answer that was written twice has the same. Bounds: at most 64 bytes."""
    rung: Rung = "UNKNOWN"
    """What the decision rests on: the score; rules of the transaction alone and its amount; or its amount. UNKNOWN where none was told."""
    reasons: tuple[str, ...] = ()
    """Reason codes that were told. Bounds: at most 240 bytes each, at most 8 items."""
    rules_version: str | None = None
    """Version of the rules that decided without a score. Bounds: at most 256 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One API key of the gateway, without its secret. Key: key_id."""

    key_id: str
    """Which key it is, and the record's key. It is no secret. Bounds: 1 to 32 bytes."""
    name: str
    """Who the key is for. Bounds: 1 to 128 bytes."""
    secret_sha256: str
    """SHA-256 of the whole key in hexadecimal digits. Bounds: 64 to 64 bytes."""
    scopes: tuple[str, ...]
    """What the caller may do; a gateway grants nothing for one that it does not know. Bounds: at most 64 bytes each, at most 32 items."""
    created_at: int
    """When it was made, UTC."""
    expires_at: int | None = None
    """From when on it is refused, UTC; null: never."""
    revoked_at: int | None = None
    """When it was revoked, for ever, UTC; null: it was not."""
    changed_by: str = ""
    """Who made or revoked it. Bounds: at most 256 bytes."""
    rate_per_s: int = 0
    """Requests a second that the caller may send; 0: as many as the gateway's setting says. Bounds: from 0, to 1,000,000."""
    burst: int = 0
    """Requests that the caller may send at once; 0: as many as in two seconds. Bounds: from 0, to 10,000,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRisk:
    """Risk vector of one customer, by what labels say, over closed tiles, with the one before it. Key: customer_id."""

    customer_id: str
    """Customer, and the record's key. Bounds: at most 256 bytes."""
    as_of_partition: int
    """Partition of profile-events.v1 behind the vector."""
    as_of_offset: int
    """Offset of profile-events.v1 up to which the vector was computed."""
    closed_at: int
    """End of the last closed tile in the vector, UTC."""
    vector: tuple[float, ...]
    """Features of the card, in the order of feature_set. Bounds: at most 4,096 items."""
    previous_closed_at: int | None = None
    """End of the last closed tile of the vector before."""
    previous_vector: tuple[float, ...] = ()
    """The vector before. Bounds: at most 4,096 items."""
    feature_set: str
    """Name and version of the feature set. Bounds: at most 256 bytes."""
    previous_as_of_offset: int = -1
    """As as_of_offset, of the vector before; -1 where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Sums over one hour or one day of event time."""

    start_at: int
    """Start of the tile, UTC, inclusive."""
    transactions: int
    """Scored transactions, duplicates, refunds and corrected ones left out."""
    amount_minor: int
    """Sum of base_amount_minor, refunds and corrected ones left out."""
    alerts: int
    """Transactions not approved, refunds among them."""
    blocked: int
    """Transactions blocked, refunds among them."""
    alert_amount_minor: int = 0
    """Sum of base_amount_minor of the transactions not approved, refunds left out."""
    loss_minor: int = 0
    """Sum of base_amount_minor known to be fraud."""
    refunds: int = 0
    """Scored refunds, corrected ones left out: they are not among transactions, and their amounts in no other sum."""
    refund_amount_minor: int = 0
    """Sum of base_amount_minor of the refunds."""
    corrected: int = 0
    """Scored transactions and refunds that were corrected: they left the sums of transactions and refunds here. Alerts of them stay."""
    corrected_amount_minor: int = 0
    """Sum of base_amount_minor of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRisk:
    """Risk state of one customer with its own recent history, so that a reader of the compacted topic can rebuild the windows it missed. Key: customer_id."""

    customer_id: str
    """Customer, and the record's key. Bounds: at most 256 bytes."""
    src_partition: int
    """Partition of the scores behind this state."""
    src: int
    """Source offset of the last accepted score in it."""
    updated_at: int
    """Append time of that score, UTC."""
    last_score: float
    """The last score."""
    last_decision: Decision = "UNKNOWN"
    """The last decision."""
    last_occurred_at: int
    """Latest event time seen, UTC."""
    base_currency: str
    """ISO 4217 code of all amounts here. Bounds: at most 3 bytes."""
    hourly: tuple[Tile, ...] = ()
    """The newest 48 hours that are not empty, oldest first. Bounds: at most 48 items."""
    daily: tuple[Tile, ...] = ()
    """The newest 35 days that are not empty, oldest first. Bounds: at most 35 items."""
    position: int = -1
    """Source offset of the last accepted score of this partition that its states held when this record was written; -1 where an older tracker wrote it."""
    score_offset: int = -1
    """Offset of scores.v1 behind the last score that the states of this partition held then; -1 where an older tracker wrote it."""
    whole_from: int = 0
    """Windows that begin before this instant may lack scores that had expired before they were read, UTC; 0 where none was missed. The latest one holds for all states of the partition."""
    ends_flush: bool = True
    """False where more states of the same flush follow in this partition: a reader that stops there holds half of it."""
    hourly_lacks_before: int = 0
    """Hours that begin before this instant lack a score of this customer that came, or was corrected, after its hour had left; 0 where none does, UTC."""
    daily_lacks_before: int = 0
    """Days that begin before this instant lack a score of this customer that came, or was corrected, after its day had left; 0 where none does, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRisk:
    """Risk vector of one device, over closed tiles, with the one before it. Key: device_id."""

    device_id: str
    """Device, and the record's key. Bounds: at most 256 bytes."""
    as_of_partition: int
    """Partition of profile-events.v1 behind the vector."""
    as_of_offset: int
    """Offset of profile-events.v1 up to which the vector was computed."""
    closed_at: int
    """End of the last closed tile in the vector, UTC."""
    vector: tuple[float, ...]
    """Features of the device, in the order of feature_set. Bounds: at most 4,096 items."""
    previous_closed_at: int | None = None
    """End of the last closed tile of the vector before."""
    previous_vector: tuple[float, ...] = ()
    """The vector before. Bounds: at most 4,096 items."""
    feature_set: str
    """Name and version of the feature set. Bounds: at most 256 bytes."""
    previous_as_of_offset: int = -1
    """As as_of_offset, of the vector before; -1 where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a transaction turned out to be, once that is known. Key: customer_id."""

    label_id: str
    """Identifier of this statement; a repeat has the same. Bounds: 1 to 256 bytes."""
    transaction_id: str
    """Transaction. Bounds: 1 to 256 bytes."""
    customer_id: str
    """Customer, and the record's key. Bounds: 1 to 256 bytes."""
    outcome: Outcome
    """What it turned out to be."""
    source: LabelSource = "UNKNOWN"
    """Who says so."""
    occurred_at: int
    """Event time of the transaction, UTC. Bounds: from 31,536,000,000."""
    known_at: int
    """When it became known, UTC. Bounds: from 31,536,000,000."""
    loss_minor: int = 0
    """Loss in minor units of base_currency. Bounds: from 0, to 10,000,000,000,000."""
    base_currency: str = "EUR"
    """ISO 4217 code of loss_minor. Bounds: at most 3 bytes, shaped `[A-Z]{3}`."""
    terminal_id: str | None = None
    """Terminal of the transaction: without it the label cannot reach the terminal's profile. Bounds: 1 to 256 bytes."""
    device_id: str | None = None
    """Device of the transaction, as terminal_id. Bounds: 1 to 256 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedList:
    """One list of values that rules use. Key: list_id."""

    list_id: str
    """List, and the record's key. Bounds: 1 to 240 bytes."""
    version: int
    """Raised whenever its values change."""
    values: tuple[str, ...]
    """Its values. Bounds: at most 256 bytes each, at most 1,000,000 items, at most 900,000 bytes together."""
    changed_at: int
    """When it was saved, UTC."""
    changed_by: str = ""
    """Who saved it. Bounds: at most 256 bytes."""
    ends_at: tuple[int, ...] = ()
    """Until when each of `values` is in the list, in their order, UTC; 0 of one that has no end. Empty: none ends. Bounds: at most 1,000,000 items."""
    notes: tuple[str, ...] = ()
    """Why each of `values` is in the list, in their order. Empty: no notes. Bounds: at most 200 bytes each, at most 1,000,000 items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who something belongs to that only one may write: an output topic one consumer group, a group's state one store. Key: subject and holder."""

    subject: str
    """What is owned: `topic NAME ID` or `state NAMESPACE`. Bounds: 1 to 500 bytes."""
    holder: str
    """Who asks for it: a consumer group, or the id of a store. Bounds: 1 to 256 bytes."""
    claimed_at: int
    """When it was asked for, ms since 1970 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileEvent:
    """One transaction or label as one profiled entity sees it. Key: key. Readers accept a record only if src is above the last one of its kind, src_partition and src_index."""

    entity: str
    """Name of the entity. Bounds: at most 64 bytes."""
    key: str
    """Key of the entity, and the record's key. Bounds: 1 to 256 bytes."""
    kind: ProfileStep
    """EVENT from transactions.v1, LABEL from labels.v1."""
    src_partition: int
    """Partition of the source."""
    src: int
    """Offset in the source."""
    src_index: int
    """Place among the events that were made of that record."""
    src_appended_at: int
    """Append time of the source record, UTC."""
    transaction_hash: int
    """Hash of customer and transaction, by which repeats and labels are told."""
    occurred_at: int
    """Event time of the transaction, UTC."""
    amount_minor: int = 0
    """base_amount_minor of the transaction; 0 of a label."""
    outcome: ProfileOutcome = "UNKNOWN"
    """What a label says."""
    source: ProfileLabelSource = "UNKNOWN"
    """Who a label is from."""
    known_at: int | None = None
    """When a label became known, UTC."""
    transaction_kind: Kind = "UNKNOWN"
    """Kind of the transaction: which of them a profile counts is declared by its feature set. UNKNOWN of a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileState:
    """A part of the state behind the profile of one key: the tiles of a day's length, or what was said of one transaction. Key: entity, key and part. The record of key `positions` says where the parts of a partition stand: `src`, the clock in `occurred_at`, and of each series of profile events (`ends`) the last position (`counts`)."""

    entity: str
    """Name of the entity. Bounds: at most 64 bytes."""
    key: str
    """Key of the entity. Bounds: at most 256 bytes."""
    src: int
    """Offset of profile-events.v1 up to which this part goes."""
    ends: tuple[int, ...] = ()
    """Ends of the tiles in ms, rising. Bounds: at most 20,000 items."""
    counts: tuple[int, ...] = ()
    """Transactions of each tile. Bounds: at most 20,000 items."""
    sums: tuple[int, ...] = ()
    """Sum of amount_minor of each tile. Bounds: at most 4,096 items."""
    frauds: tuple[int, ...] = ()
    """Known frauds of each tile. Bounds: at most 4,096 items."""
    last_hashes: tuple[int, ...] = ()
    """Hashes of the last 16 transactions of the key, by which repeats are told. Bounds: at most 4,096 items."""
    transaction_hash: int | None = None
    """Transaction that a label speaks of; null for tiles."""
    standing: int = 0
    """The label that stands, the higher the stronger: rank of its source * 2^52 + known_at * 8 + outcome."""
    occurred_at: int | None = None
    """Event time of that transaction, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A signed release, or a signed head: which releases are active. Key: release_id.signer, or head.feature_set.signer."""

    release_id: str
    """The record's key. Of versions before signed heads: content hash of the release. Bounds: 1 to 512 bytes."""
    feature_set: str
    """Name and version of the feature set it was made for. Bounds: at most 256 bytes."""
    status: ReleaseStatus
    """Of versions before signed heads: what is done with it. UNKNOWN since."""
    content_base64: str
    """The release file, in base64; empty of a head. Bounds: at most 33,000,000 bytes."""
    changed_at: int
    """When this was said, UTC."""
    changed_by: str = ""
    """Who said it. Bounds: at most 256 bytes."""
    signer: str = ""
    """Fingerprint of the key that signed the statement; empty of versions before signed heads, which scorers do not act on. Bounds: at most 64 bytes."""
    statement: str = ""
    """JSON that says all that scorers act on: a content's hash; or which releases are active and withdrawn, under which number. Bounds: at most 262,144 bytes."""
    signature: str = ""
    """Ed25519 signature of the statement, in base64. Bounds: at most 200 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTotal:
    """What a reporter counted of one partition of scores.v1 and alerts.v1: the sums of one hour, or, with start_at 0, how far it has counted. Key: partition, or partition and start of the hour."""

    src_partition: int
    """Partition of scores.v1."""
    start_at: int
    """Start of the hour of event time, UTC; 0 in the record that says how far was counted."""
    transactions: int = 0
    """Accepted good scores of the hour, refunds and corrected ones left out."""
    amount_minor: int = 0
    """Sum of their amounts in minor units of the base currency."""
    alerts: int = 0
    """Alerts of the hour."""
    blocked: int = 0
    """Alerts of the hour that block."""
    position: int = -1
    """Source offset of the last accepted score that was counted; -1 before the first."""
    score_offset: int = 0
    """Offset of scores.v1 to go on at."""
    alert_offset: int = 0
    """Offset of alerts.v1 to go on at."""
    alert_src: int = -1
    """Source offset of the last alert that was counted; -1 before the first."""
    whole_from: int = 0
    """Hours that begin before this instant may lack scores or alerts that had expired before they were counted, UTC; 0 where none had."""
    refunds: int = 0
    """Accepted good scores of refunds of the hour, corrected ones left out."""
    refund_amount_minor: int = 0
    """Sum of base_amount_minor of the refunds."""
    corrected: int = 0
    """Accepted good scores of the hour that were corrected: they left its sums of transactions and refunds."""
    corrected_amount_minor: int = 0
    """Sum of base_amount_minor of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskReport:
    """One risk report that was written. Key: report_id."""

    report_id: str
    """Identifier: the grain and the end of the snapshot. Bounds: at most 128 bytes."""
    grain: Grain
    """Length of the report's windows."""
    window_start_at: int
    """Start of the first window, UTC, inclusive."""
    window_end_at: int
    """End of the last window, UTC, exclusive."""
    is_complete: bool
    """True when every window of it has passed its grace."""
    customers: int
    """Customers with at least one transaction."""
    transactions: int
    """Scored transactions, duplicates, refunds and corrected ones left out."""
    amount_minor: int
    """Sum of base_amount_minor, refunds and corrected ones left out."""
    alerts: int
    """Transactions not approved."""
    blocked: int
    """Transactions blocked."""
    base_currency: str
    """ISO 4217 code of all amounts here. Bounds: at most 3 bytes."""
    is_reconciled: bool
    """True when the totals equal the report's own counts of scores.v1 and alerts.v1."""
    made_at: int
    """When it was made, UTC."""
    html_path: str
    """Path of the page, relative to the reports folder. Bounds: at most 256 bytes."""
    json_path: str
    """Path of the JSON, relative to the reports folder. Bounds: at most 256 bytes."""
    parquet_path: str
    """Path of the Parquet, relative to the reports folder. Bounds: at most 256 bytes."""
    sha256: str
    """SHA-256 of the JSON, hexadecimal. Bounds: at most 64 bytes."""
    refunds: int = 0
    """Scored refunds, corrected ones left out: they are not among transactions, and their amounts in no other sum."""
    refund_amount_minor: int = 0
    """Sum of base_amount_minor of the refunds."""
    corrected: int = 0
    """Scored transactions and refunds that were corrected: they left the sums of transactions and refunds. Alerts of them stay."""
    corrected_amount_minor: int = 0
    """Sum of base_amount_minor of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule as it stands. Key: rule_id."""

    rule_id: str
    """Rule, and the record's key. Bounds: 1 to 240 bytes."""
    version: int
    """Version of its words; raised whenever they change."""
    is_on: bool
    """True while scorers act on it."""
    when: str
    """Expression; see docs/rules.md. Bounds: 1 to 65,536 bytes."""
    action: RuleAction
    """The least that is done with a transaction it is true of."""
    reason: str
    """Reason code that its decisions carry. Bounds: 1 to 240 bytes."""
    max_share: float
    """Share of transactions that it may stop, 0 to 1."""
    feature_set: str
    """Feature set it was checked against. Bounds: at most 256 bytes."""
    changed_at: int
    """When it was saved, UTC."""
    changed_by: str = ""
    """Who saved it. Bounds: at most 256 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A schema that some version of the product writes by, so that versions which do not bundle it can read its records. Never changes itself."""

    schema_id: int
    """The id in the frames of its records."""
    contract: str
    """Contract as in score.v1. Bounds: at most 64 bytes."""
    schema: str
    """The Avro schema as JSON. Bounds: at most 500,000 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The answer to one record of transactions.v1, at the same partition number. Readers accept a record only if src is above the last one accepted. A rejected record has src, prev, src_appended_at, verdict and reason only; with the reason id_reused also transaction_id and customer_id. A duplicate has the decision and score of its original."""

    src: int
    """Source offset in transactions.v1."""
    prev: int
    """Source offset of the record before it in its partition; -1 for the first."""
    src_appended_at: int
    """Append time of the source record, UTC."""
    verdict: Verdict
    """What the record was found to be."""
    reason: str | None = None
    """Why it was rejected: a code of docs/rejects.md. Bounds: at most 64 bytes."""
    reject_rules_version: int = 1
    """Version of the rules behind the verdict."""
    transaction_id: str | None = None
    """Transaction. Bounds: at most 256 bytes."""
    customer_id: str | None = None
    """Customer. Bounds: at most 256 bytes."""
    occurred_at: int | None = None
    """Event time of the transaction, UTC."""
    base_amount_minor: int | None = None
    """The transaction's amount in minor units of base_currency."""
    base_currency: str | None = None
    """ISO 4217 code of base_amount_minor. Bounds: at most 3 bytes."""
    score: float | None = None
    """Estimated probability of fraud, 0 to 1."""
    decision: Decision | None = None
    """What to do with the transaction; null for a rejected one."""
    reasons: tuple[str, ...] = ()
    """Up to 4 reason codes, the strongest first. Bounds: at most 240 bytes each, at most 8 items."""
    flags: tuple[str, ...] = ()
    """What was degraded or odd when it was scored. Bounds: at most 64 bytes each, at most 8 items."""
    model_version: str | None = None
    """Version of the model that scored it. Bounds: at most 256 bytes."""
    feature_set: str | None = None
    """Name and version of the feature set of features. Bounds: at most 256 bytes."""
    features: tuple[float, ...] = ()
    """The feature vector used, in the order of feature_set; NaN where a value is missing. Bounds: at most 4,096 items."""
    profiles: tuple[int, ...] = ()
    """Of each profiled entity of feature_set, in its order: partition and offset of profile-events.v1 up to which the vector used was computed, and the end of its last closed tile in ms; -1 where there was none. Bounds: at most 96 items."""
    release_id: str | None = None
    """Release that scored it; null where the model came from a folder. Bounds: at most 64 bytes."""
    rules_version: str | None = None
    """Version of the rules and lists that were on; null where none were. Bounds: at most 64 bytes."""
    rules: tuple[str, ...] = ()
    """Rules that were true of it, up to 8. Bounds: at most 240 bytes each, at most 8 items."""
    stage2_score: float | None = None
    """Estimate of the second stage; null where it was not asked."""
    kind: Kind = "UNKNOWN"
    """Kind of the transaction; UNKNOWN of a rejected one. A REFUND is no spending."""
    corrected_at: int | None = None
    """Event time of the record that leaves windows and sums with this one: the one that it corrects, or itself where its correction came first; null where none does, UTC."""
    corrected_amount_minor: int | None = None
    """Amount of that record in minor units of base_currency; null where none leaves."""
    corrected_is_refund: bool = False
    """Whether that record is a REFUND."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalRisk:
    """Risk vector of one terminal over closed tiles, with the one before it. Key: terminal_id."""

    terminal_id: str
    """Terminal, and the record's key. Bounds: at most 256 bytes."""
    as_of_partition: int
    """Partition of profile-events.v1 behind the vector."""
    as_of_offset: int
    """Offset of profile-events.v1 up to which the vector was computed."""
    closed_at: int
    """End of the last closed tile in the vector, UTC."""
    vector: tuple[float, ...]
    """Features of the terminal, in the order of feature_set. Bounds: at most 4,096 items."""
    previous_closed_at: int | None = None
    """End of the last closed tile of the vector before."""
    previous_vector: tuple[float, ...] = ()
    """The vector before. Bounds: at most 4,096 items."""
    feature_set: str
    """Name and version of the feature set. Bounds: at most 256 bytes."""
    previous_as_of_offset: int = -1
    """As as_of_offset, of the vector before; -1 where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One payment as an upstream service saw it. Key: customer_id. Money features use base_amount_minor."""

    transaction_id: str
    """Identifier given by the upstream service, unique a customer. Bounds: 1 to 256 bytes."""
    customer_id: str
    """Customer, and the record's key. Bounds: 1 to 256 bytes."""
    account_token: str
    """Token of the card or account; never its number. Bounds: 1 to 256 bytes."""
    terminal_id: str | None = None
    """Terminal where it was made; null for transfers. Bounds: 1 to 256 bytes."""
    merchant_id: str | None = None
    """Merchant; null for transfers. Bounds: 1 to 256 bytes."""
    mcc: int | None = None
    """Merchant category code of ISO 18245, 0 to 9999. Bounds: from 0, to 9,999."""
    country: str | None = None
    """Country of the terminal or merchant, ISO 3166-1 alpha-2. Bounds: at most 2 bytes, shaped `[A-Z]{2}`."""
    channel: Channel = "UNKNOWN"
    """Where the transaction was started."""
    kind: Kind = "UNKNOWN"
    """What moves."""
    amount_minor: int
    """Amount in minor units of currency, 0 to 10^13. Bounds: from 0, to 10,000,000,000,000."""
    currency: str
    """ISO 4217 code of amount_minor. Bounds: at most 3 bytes, shaped `[A-Z]{3}`."""
    base_amount_minor: int
    """The amount in minor units of base_currency, 0 to 10^13; filled by the gateway or the producer, never by the scorer. Bounds: from 0, to 10,000,000,000,000."""
    base_currency: str = "EUR"
    """ISO 4217 code of base_amount_minor. Bounds: at most 3 bytes, shaped `[A-Z]{3}`."""
    rates_version: str = ""
    """Version of the exchange rates behind base_amount_minor; empty when none was applied. Bounds: at most 64 bytes."""
    device_id: str | None = None
    """Device that started it. Bounds: 1 to 256 bytes."""
    counterparty_id: str | None = None
    """Receiver of a transfer. Bounds: 1 to 256 bytes."""
    occurred_at: int
    """Event time, UTC. Bounds: from 31,536,000,000."""
    corrects: str | None = None
    """transaction_id of the transaction that this one corrects. Bounds: 1 to 256 bytes."""
