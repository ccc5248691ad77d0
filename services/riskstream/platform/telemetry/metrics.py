"""Every metric of the product, typed. Names are riskstream_<service>_<thing>_<unit>; labels are
bounded, never an id.
"""

from collections.abc import Iterable

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from riskstream.platform.telemetry.ages import Ages
from riskstream.platform.telemetry.group_lag import GroupLag
from riskstream.platform.telemetry.stages import Stages

_LATENCY_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 4, 16, 64, 256, 1024, 4096)
_STAGE_S = (0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_AGES_S = (*_LATENCY_S, 30.0, 60.0, 300.0, 900.0, 3600.0)


def _native(service: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(
        f"riskstream_{service}_native_client",
        "1 where compiled code takes records from Kafka's client or puts them there, 0 where "
        "Python does",
        ["side"],
        registry=registry,
    )


def _lag(service: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(
        f"riskstream_{service}_lag_seconds",
        "Lag in seconds: the age of the last record read; 0 when everything has been read",
        ["topic", "partition"],
        registry=registry,
    )


class TracingMetrics:
    """Metrics of the spans of a process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.sent = Counter(
            "riskstream_tracing_spans_sent_total",
            "Spans that the collector accepted",
            registry=registry,
        )
        self.lost = Counter(
            "riskstream_tracing_spans_lost_total",
            "Spans lost: the collector refused them, or the process ended before they were sent",
            registry=registry,
        )
        self.waiting = Gauge(
            "riskstream_tracing_spans_waiting", "Spans that wait to be sent", registry=registry
        )


class LaneMetrics:
    """Metrics of the scorer's lane."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._of_records(registry)
        self._of_batches(registry)
        self._of_state(registry)
        self._of_partitions(registry)

    def _of_records(self, registry: CollectorRegistry) -> None:
        """How many records, and what became of them."""
        self.records = Counter(
            "riskstream_scorer_records_total",
            "Records read from the source topic, by how they were handled",
            ["mode"],
            registry=registry,
        )
        self.rejected = Counter(
            "riskstream_scorer_rejected_total",
            "Records rejected and sent to the dead-letter topic, by reason",
            ["reason"],
            registry=registry,
        )
        self.decisions = Counter(
            "riskstream_scorer_decisions_total",
            "Scores by decision",
            ["decision"],
            registry=registry,
        )
        self.flagged = Counter(
            "riskstream_scorer_flagged_total", "Scores with a flag", ["flag"], registry=registry
        )
        self.counted = {"decisions": self.decisions, "flagged": self.flagged}
        """What the lane's work has it count, by the names that the work gives."""

    def _of_batches(self, registry: CollectorRegistry) -> None:
        """How long it takes."""
        self.batch_seconds = Histogram(
            "riskstream_scorer_batch_seconds",
            "Time to process a micro-batch",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.batch_records = Histogram(
            "riskstream_scorer_batch_records",
            "Records of a micro-batch",
            buckets=_SIZES,
            registry=registry,
        )
        self.event_age_seconds = Ages(
            "riskstream_scorer_event_age_seconds",
            "Age of each transaction when it was scored, since its arrival in Kafka",
            _LATENCY_S,
            registry,
        )
        self.stages = Stages(
            "riskstream_scorer_stage_seconds",
            "Time of each stage of a micro-batch",
            ("poll", "decode", "read", "profile", "apply", "score", "encode", "produce"),
            _STAGE_S,
            registry,
        )
        self.lag = _lag("scorer", registry)

    def _of_state(self, registry: CollectorRegistry) -> None:
        """Where customers' state comes from and goes to."""
        self.checkpoints = Counter(
            "riskstream_scorer_checkpoints_total", "Checkpoints written", registry=registry
        )
        self.store_errors = Counter(
            "riskstream_scorer_store_errors_total",
            "Reads and writes that the state store (Redis) did not answer in time",
            registry=registry,
        )
        self.reopened = Counter(
            "riskstream_scorer_reopened_total",
            "Times that the scorer opened a partition again, to read from the store where "
            "it stands",
            registry=registry,
        )

    def _of_partitions(self, registry: CollectorRegistry) -> None:
        """What is out of the ordinary in a partition, and whether the loop goes on at all."""
        self.giants = Counter(
            "riskstream_scorer_giants_total",
            "Batches left out because they decompress to more than the client accepts",
            registry=registry,
        )
        self.waiting = Gauge(
            "riskstream_scorer_waiting",
            "1 while a partition waits for a schema that is not known yet",
            ["partition"],
            registry=registry,
        )
        self.whole_since = Gauge(
            "riskstream_scorer_whole_since_timestamp_seconds",
            "Customers' state may lack transactions from before this time; 0 when the "
            "state of the partition is complete",
            ["partition"],
            registry=registry,
        )
        self.held = Gauge(
            "riskstream_scorer_held",
            "1 while the scorer holds a partition until a person acts",
            ["partition"],
            registry=registry,
        )
        self.loop_seen = Gauge(
            "riskstream_scorer_loop_seen_timestamp_seconds",
            "Time of the last pass of the polling loop",
            registry=registry,
        )
        self.native = _native("scorer", registry)


class InForceMetrics:
    """Metrics of what the scorer decides by: rules and releases, in force and refused."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.rules_on = Gauge("riskstream_scorer_rules_on", "Rules in force", registry=registry)
        self.rules_refused = Gauge(
            "riskstream_scorer_rules_refused",
            "Records of rules.v1 and lists.v1 that are refused, and rules that are on and "
            "cannot be acted on",
            ["topic", "reason"],
            registry=registry,
        )
        self.releases_refused = Counter(
            "riskstream_scorer_releases_refused_total",
            "Records of releases.v1, and releases, that were refused",
            registry=registry,
        )
        self.tree_engine = Gauge(
            "riskstream_scorer_tree_engine",
            "1 for what computes the trees of the model in use: `kernel` or `onnxruntime`",
            ["engine"],
            registry=registry,
        )

    def use_engine(self, engine: str) -> None:
        """What computes the trees from now on."""
        for each in ("kernel", "onnxruntime"):
            self.tree_engine.labels(each).set(each == engine)


class SnapshotMetrics:
    """Metrics of the scorer's snapshots."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.taken = Counter(
            "riskstream_scorer_snapshots_total",
            "Snapshots of partitions written",
            registry=registry,
        )
        self.errors = Counter(
            "riskstream_scorer_snapshot_errors_total",
            "Snapshots that could not be written",
            registry=registry,
        )
        self.restored = Counter(
            "riskstream_scorer_snapshots_restored_total",
            "Partitions whose state was restored from a snapshot",
            registry=registry,
        )
        self.damaged = Counter(
            "riskstream_scorer_snapshots_damaged_total",
            "Snapshots skipped because they are damaged",
            registry=registry,
        )
        self.seconds = Histogram(
            "riskstream_scorer_snapshot_seconds",
            "Time to take a snapshot, including its pauses",
            buckets=_AGES_S,
            registry=registry,
        )
        self.bytes = Gauge(
            "riskstream_scorer_snapshot_bytes",
            "Size of the newest snapshot that this process took",
            ["partition"],
            registry=registry,
        )
        self.age_seconds = Gauge(
            "riskstream_scorer_snapshot_age_seconds",
            "Age of what the newest snapshot of a partition holds; without a snapshot, "
            "time since this process owns the partition",
            ["partition"],
            registry=registry,
        )
        self.interval_seconds = Gauge(
            "riskstream_scorer_snapshot_interval_seconds",
            "Configured time between two snapshots",
            registry=registry,
        )


class DerivedMetrics:
    """Metrics of a derived lane; `service` is in their names."""

    def __init__(self, service: str, registry: CollectorRegistry = REGISTRY) -> None:
        self.commit_seconds = Histogram(
            f"riskstream_{service}_commit_seconds",
            "Time of a Kafka transaction",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.source_age_seconds = Ages(
            f"riskstream_{service}_source_age_seconds",
            "Age of each source record, from its arrival in Kafka until its results are committed",
            _AGES_S,
            registry,
        )
        self.stages = Stages(
            f"riskstream_{service}_stage_seconds",
            "Time of each stage of a commit: records taken, then written",
            ("take", "write"),
            _STAGE_S,
            registry,
        )
        self.lag = _lag(service, registry)
        self.native = _native(service, registry)
        self.aborts = Counter(
            f"riskstream_{service}_aborts_total", "Kafka transactions aborted", registry=registry
        )
        self.expired = Counter(
            f"riskstream_{service}_expired_total",
            "Source records that Kafka deleted before they were read",
            registry=registry,
        )
        self.giants = Counter(
            f"riskstream_{service}_giants_total",
            "Batches left out because they decompress to more than the client accepts",
            registry=registry,
        )
        self.waiting = Gauge(
            f"riskstream_{service}_waiting",
            "Partitions that wait for Kafka, for a schema, or for a person to handle an "
            "unreadable record",
            registry=registry,
        )
        self.unreadable_states = Counter(
            f"riskstream_{service}_unreadable_states_total",
            "Records of the service's own state topics that it could not read",
            ["topic"],
            registry=registry,
        )
        self.dropped = Counter(
            f"riskstream_{service}_repeats_total",
            "Repeated records skipped (docs/reading-scores.md)",
            registry=registry,
        )


class TrackerMetrics(DerivedMetrics):
    """Metrics of the tracker."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        super().__init__("tracker", registry)
        self.scores = Counter(
            "riskstream_tracker_scores_total", "Accepted scores", registry=registry
        )
        self.skipped = Counter(
            "riskstream_tracker_skipped_total",
            "Unreadable scores left out because --skip-scores names them",
            registry=registry,
        )
        self.other_currency = Counter(
            "riskstream_tracker_other_currency_total",
            "Good scores left out of states and alerts because of another base currency",
            registry=registry,
        )
        self.gaps = Counter(
            "riskstream_tracker_gaps_total",
            "Times that one or more scores were missing between two others",
            registry=registry,
        )
        self.whole_from = Gauge(
            "riskstream_tracker_whole_from_seconds",
            "Windows that begin before this time may lack scores; 0 when no score was missed",
            registry=registry,
        )
        self.alerts = Counter(
            "riskstream_tracker_alerts_total", "Alerts written", ["decision"], registry=registry
        )
        self.customers = Gauge(
            "riskstream_tracker_customers", "Customers whose state is in memory", registry=registry
        )


class ProfilerMetrics(DerivedMetrics):
    """Metrics of the profiler's two stages."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        super().__init__("profiler", registry)
        self.shuffled = Counter(
            "riskstream_profiler_shuffled_total",
            "Profile events written by the shuffle stage",
            registry=registry,
        )
        self.unkeyed = Counter(
            "riskstream_profiler_unkeyed_labels_total",
            "Labels that do not name the terminal or device, so that its profile does not "
            "count them",
            ["entity"],
            registry=registry,
        )
        self.events = Counter(
            "riskstream_profiler_events_total", "Profile events read", registry=registry
        )
        self.bad = Counter(
            "riskstream_profiler_unreadable_total",
            "Profile events and labels that could not be read or break a bound",
            registry=registry,
        )
        self.vectors = Counter(
            "riskstream_profiler_vectors_total", "Profiles written to Kafka", registry=registry
        )
        self.keys = Gauge(
            "riskstream_profiler_keys",
            "Terminals, devices or cards whose state is in memory",
            ["entity"],
            registry=registry,
        )
        self.view_errors = Counter(
            "riskstream_profiler_view_errors_total",
            "Writes of profiles that Redis did not accept in time",
            registry=registry,
        )
        self.view_waiting = Gauge(
            "riskstream_profiler_view_waiting",
            "Profiles that wait to be written to Redis",
            registry=registry,
        )
        self.event_age_seconds = Ages(
            "riskstream_profiler_event_age_seconds",
            "Age of each transaction or label when its profile event was written, since "
            "its arrival in Kafka",
            _LATENCY_S,
            registry,
        )


class GatewayMetrics:
    """Metrics of the gateway."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.requests = Counter(
            "riskstream_gateway_requests_total",
            "Requests by route and status",
            ["route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "riskstream_gateway_request_seconds",
            "Time to answer a request",
            ["route"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "riskstream_gateway_stage_seconds",
            "Time of each stage of a request: read the body, send it to Kafka, wait for the score",
            ["stage"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.event_age_seconds = Histogram(
            "riskstream_gateway_event_age_seconds",
            "Age of a transaction when its score reached the waiting caller, since its "
            "arrival in Kafka",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.appended = Counter(
            "riskstream_gateway_appended_total",
            "Records written to Kafka, by topic",
            ["topic"],
            registry=registry,
        )
        self.waiting = Gauge(
            "riskstream_gateway_waiting", "Callers waiting for a decision", registry=registry
        )
        self.connections = Gauge(
            "riskstream_gateway_connections", "Open connections", registry=registry
        )
        self.bulk_rate = Gauge(
            "riskstream_gateway_bulk_rate",
            "Transactions a second let in from bodies of many: fewer where decisions would be late",
            registry=registry,
        )
        self.problems = Counter(
            "riskstream_gateway_problems_total",
            "Requests refused, by problem",
            ["problem"],
            registry=registry,
        )
        self._make_answers(registry)
        self._make_once(registry)

    def _make_once(self, registry: CollectorRegistry) -> None:
        self.replayed = Counter(
            "riskstream_gateway_replayed_total",
            "Transactions that came again and were answered as the first time, by kind: decision, "
            "transaction",
            ["kind"],
            registry=registry,
        )
        self.once_local = Counter(
            "riskstream_gateway_once_local_total",
            "Transactions that one gateway alone remembers, because Redis did not answer, or with "
            "what the gateway cannot read",
            registry=registry,
        )
        self.remembered = Gauge(
            "riskstream_gateway_remembered",
            "Transactions and keys that this gateway remembers",
            registry=registry,
        )
        self.remembered_bytes = Gauge(
            "riskstream_gateway_remembered_bytes",
            "Memory that they take, about",
            registry=registry,
        )

    def _make_answers(self, registry: CollectorRegistry) -> None:
        self.answers = Counter(
            "riskstream_gateway_answers_total",
            "Decisions told, by what they rest on: score, rules, amount; unknown: rejected",
            ["rung"],
            registry=registry,
        )
        self.late_scores = Counter(
            "riskstream_gateway_late_scores_total",
            "Scores that came after the ladder had decided, by whether they agree",
            ["with_answer"],
            registry=registry,
        )
        self.late_alerts = Counter(
            "riskstream_gateway_late_alerts_total",
            "Alerts on scores that came late and disagree: sent to Kafka, or lost",
            ["outcome"],
            registry=registry,
        )
        self.answers_spooled = Counter(
            "riskstream_gateway_answers_spooled_total",
            "Answers that the broker did not take in time, kept in the spool",
            registry=registry,
        )
        self.answers_lost = Counter(
            "riskstream_gateway_answers_lost_total",
            "Answers that were told and recorded nowhere: the spool was full",
            registry=registry,
        )
        self.spool_bytes = Gauge(
            "riskstream_gateway_spool_bytes",
            "Bytes of answers that wait in the spool",
            registry=registry,
        )


class AccessMetrics:
    """Metrics of who may call the gateway."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.keys = Gauge(
            "riskstream_gateway_keys", "API keys that are not revoked", registry=registry
        )
        self.keys_refused = Gauge(
            "riskstream_gateway_keys_refused",
            "Records of api-keys.v1 that are refused and let nobody in",
            ["reason"],
            registry=registry,
        )
        self.token_keys = Gauge(
            "riskstream_gateway_token_keys",
            "Public keys that tokens may be signed with",
            registry=registry,
        )
        self.token_keys_errors = Counter(
            "riskstream_gateway_token_keys_errors_total",
            "Times that the keys of tokens could not be read; the last ones stay in use",
            registry=registry,
        )
        self.limits_local = Counter(
            "riskstream_gateway_limits_local_total",
            "Requests that were limited by this gateway alone, because Redis did not answer",
            registry=registry,
        )


class ReporterMetrics:
    """Metrics of the reporter."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.unreadable = Counter(
            "riskstream_reporter_unreadable_total",
            "Records left out of reports because they could not be read",
            ["topic"],
            registry=registry,
        )
        self.reports = Counter(
            "riskstream_reporter_reports_total", "Reports written", ["grain"], registry=registry
        )
        self.unreconciled = Counter(
            "riskstream_reporter_unreconciled_total",
            "Reports whose totals do not match the control totals",
            registry=registry,
        )
        self.snapshot_seconds = Histogram(
            "riskstream_reporter_snapshot_seconds",
            "Time to read all that a report needs from Kafka",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "riskstream_reporter_stage_seconds",
            "Time of each stage of a reporting round: add up, write the files, send the records",
            ["stage"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self.event_age_seconds = Histogram(
            "riskstream_reporter_event_age_seconds",
            "Age of the newest score in a report when the report is published",
            buckets=_AGES_S,
            registry=registry,
        )


class LagMetrics(Collector):
    """Metrics of the lag service: all of one look at the cluster, shown together."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._shown: tuple[Iterable[GroupLag], dict[str, int], dict[str, bool], float] = (
            (),
            {},
            {},
            0.0,
        )
        registry.register(self)

    def show(
        self,
        rows: Iterable[GroupLag],
        appended: dict[str, int],
        has_members: dict[str, bool],
        seen_at_s: float,
    ) -> None:
        """What was seen: lag by partition, sums of end offsets by topic, whether each group has a
        process, and when.
        """
        self._shown = (rows, appended, has_members, seen_at_s)

    def collect(self) -> Iterable[Metric]:
        rows, appended, has_members, seen_at_s = self._shown
        place = ["group", "topic", "partition"]
        events = GaugeMetricFamily(
            "riskstream_lag_events",
            "Records of a partition that the group has not processed",
            labels=place,
        )
        seconds = GaugeMetricFamily(
            "riskstream_lag_seconds",
            "Age of the oldest record that the group has not processed",
            labels=place,
        )
        for row in rows:
            where = [row.group, row.topic, str(row.partition)]
            events.add_metric(where, row.events)
            if row.seconds is not None:
                seconds.add_metric(where, row.seconds)
        ends = CounterMetricFamily(
            "riskstream_lag_appended",
            "Records written to a topic since it was created: the sum of its end offsets",
            labels=["topic"],
        )
        for topic, count in appended.items():
            ends.add_metric([topic], count)
        members = GaugeMetricFamily(
            "riskstream_lag_has_members",
            "1 while the group has at least one running member",
            labels=["group"],
        )
        for group, has in has_members.items():
            members.add_metric([group], has)
        seen = GaugeMetricFamily(
            "riskstream_lag_seen_timestamp_seconds", "Time of the last complete measurement"
        )
        if seen_at_s:
            seen.add_metric([], seen_at_s)
        yield from (events, seconds, ends, members, seen)
