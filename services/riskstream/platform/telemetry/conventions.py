"""Names of spans' and logs' attributes, in one place: OpenTelemetry's semantic conventions 1.37,
and our own under `riskstream.`.

Messaging (https://opentelemetry.io/docs/specs/semconv/messaging/kafka/) and HTTP; what is not there
yet has our prefix.
"""

SERVICE_NAME, SERVICE_VERSION, SERVICE_INSTANCE = (
    "service.name",
    "service.version",
    "service.instance.id",
)

MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION = "messaging.destination.name"
MESSAGING_PARTITION = "messaging.destination.partition.id"
MESSAGING_OFFSET = "messaging.kafka.offset"
MESSAGING_GROUP = "messaging.consumer.group.name"
MESSAGING_BATCH_COUNT = "messaging.batch.message_count"

HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS = (
    "http.request.method",
    "http.route",
    "http.response.status_code",
)

RPC_SYSTEM, RPC_SERVICE, RPC_METHOD = "rpc.system", "rpc.service", "rpc.method"

TRACE_ID, SPAN_ID = "trace_id", "span_id"
"""Of log events, as OpenTelemetry's log data model names them."""

STAGE_SECONDS = "riskstream.stage.{stage}.seconds"
"""Of a batch's span: the time of each stage."""
REPORT_ID, REPORT_GRAIN = "riskstream.report.id", "riskstream.report.grain"
