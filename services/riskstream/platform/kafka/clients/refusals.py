"""What each error of Kafka means: the world's, which passes by itself; the group's; or a person's,
with what to do.
"""

from confluent_kafka import KafkaError as E

AWAY = frozenset(
    {
        E._TRANSPORT,
        E._ALL_BROKERS_DOWN,
        E._TIMED_OUT,
        E._TIMED_OUT_QUEUE,
        E._MSG_TIMED_OUT,
        E._RESOLVE,
        E._WAIT_COORD,
        E._NOENT,  # "no leaders found"
        E._ISR_INSUFF,
        E._QUEUE_FULL,
        E._RETRY,
        E._IN_PROGRESS,
        E._PREV_IN_PROGRESS,
        E.COORDINATOR_NOT_AVAILABLE,
        E.COORDINATOR_LOAD_IN_PROGRESS,
        E.NOT_COORDINATOR,
        E.LEADER_NOT_AVAILABLE,
        E.NOT_LEADER_FOR_PARTITION,
        E.BROKER_NOT_AVAILABLE,
        E.NOT_CONTROLLER,
        E.REQUEST_TIMED_OUT,
        E.FENCED_LEADER_EPOCH,
        E.UNKNOWN_LEADER_EPOCH,
        E.REPLICA_NOT_AVAILABLE,
        E.OFFSET_NOT_AVAILABLE,
        E.NOT_ENOUGH_REPLICAS,
        E.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        E.NETWORK_EXCEPTION,
        E.KAFKA_STORAGE_ERROR,
        E.LOG_DIR_NOT_FOUND,
        E.THROTTLING_QUOTA_EXCEEDED,
        E.CONCURRENT_TRANSACTIONS,
        E.UNSTABLE_OFFSET_COMMIT,
        E.OPERATION_NOT_ATTEMPTED,
        E.ELIGIBLE_LEADERS_NOT_AVAILABLE,
        E.STALE_BROKER_EPOCH,
        E.FETCH_SESSION_ID_NOT_FOUND,
        E.INVALID_FETCH_SESSION_EPOCH,
        E.TRANSACTION_ABORTABLE,
        E._FAIL,
        E._UNKNOWN_BROKER,
        E._NODE_UPDATE,
        E._OUTDATED,
        E._WAIT_CACHE,
        E._INTR,
        E.PREFERRED_LEADER_NOT_AVAILABLE,
        # _DESTROY_BROKER, "broker handle destroyed without termination": a broker left the
        # metadata; not in older clients
        -137,
        129,  # REBOOTSTRAP_REQUIRED
    }
)
"""The world's. A disk that is full is among them: the broker takes records again when there is
room.
"""

GROUP = frozenset(
    {
        E.UNKNOWN_MEMBER_ID,
        E.ILLEGAL_GENERATION,
        E.REBALANCE_IN_PROGRESS,
        E.STALE_MEMBER_EPOCH,
        E.FENCED_MEMBER_EPOCH,
        E.MEMBER_ID_REQUIRED,
        E.UNRELEASED_INSTANCE_ID,
        E._MAX_POLL_EXCEEDED,
        E._ASSIGNMENT_LOST,
    }
)
"""The group took our partitions while we stood still, or gives them out again: the client joins
again by itself.
"""

EXPIRED = frozenset({E._AUTO_OFFSET_RESET, E.OFFSET_OUT_OF_RANGE})
"""The offset that was asked for is not in the partition any more; who opens it again begins at
one that is.
"""

FENCED = frozenset({E._FENCED, E.PRODUCER_FENCED, E.INVALID_PRODUCER_EPOCH, E.FENCED_INSTANCE_ID})
"""Another process took our place, or the broker gave a transaction of ours up while we stood
still.
"""

_TOPIC = "run `riskstream topics plan`, and check the topic's name"
_SIZE = (
    "raise max.message.bytes of the topic with `riskstream topics apply`, or find who sends "
    "such records"
)
_RIGHTS = "grant the user what docs/kubernetes.md lists for this service"
_LOGIN = "check the user, the secret and the certificates in the KAFKA_ settings"
ADVICE: dict[int, str] = {
    E.UNKNOWN_TOPIC_OR_PART: _TOPIC,
    E._UNKNOWN_TOPIC: _TOPIC,
    E._UNKNOWN_PARTITION: _TOPIC,
    E.TOPIC_EXCEPTION: _TOPIC,
    E.UNKNOWN_TOPIC_ID: _TOPIC,
    E.INCONSISTENT_TOPIC_ID: _TOPIC,
    E.MSG_SIZE_TOO_LARGE: _SIZE,
    E.RECORD_LIST_TOO_LARGE: _SIZE,
    E.INVALID_RECORD: (
        "check the topic's cleanup.policy: a compacted topic takes no record without a key"
    ),
    E.POLICY_VIOLATION: "ask who runs the cluster: its policy refuses this",
    E.OFFSET_METADATA_TOO_LARGE: "raise offset.metadata.max.bytes of the brokers",
    E.TOPIC_AUTHORIZATION_FAILED: _RIGHTS,
    E.GROUP_AUTHORIZATION_FAILED: _RIGHTS,
    E.CLUSTER_AUTHORIZATION_FAILED: _RIGHTS,
    E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: _RIGHTS,
    E._AUTHENTICATION: _LOGIN,
    E.SASL_AUTHENTICATION_FAILED: _LOGIN,
    E._SSL: _LOGIN,
    E.UNSUPPORTED_SASL_MECHANISM: _LOGIN,
    E._LOG_TRUNCATION: (
        "compare the group's position with the topic's end: an unclean election cut the log"
    ),
    E.INVALID_TRANSACTION_TIMEOUT: "raise transaction.max.timeout.ms of the brokers",
    E.GROUP_MAX_SIZE_REACHED: "run fewer replicas, or raise group.max.size of the brokers",
    E.INCONSISTENT_GROUP_PROTOCOL: "give every member of the group the same --group-protocol",
    E.UNSUPPORTED_VERSION: "use Kafka 4, or --group-protocol classic: these brokers are too old",
    **dict.fromkeys(
        (E._GAPLESS_GUARANTEE, E._FATAL),
        "look at the brokers' disks and logs; restart the process, it goes on where it was",
    ),
    **dict.fromkeys(FENCED, "give each process an --instance of its own; restart this one"),
}
"""By code what a person does."""
