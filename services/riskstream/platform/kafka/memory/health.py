"""Why a producer of a log in memory can do no more, as librdkafka has it."""

from confluent_kafka import KafkaError, KafkaException

from riskstream.platform.kafka.memory.errors import error, raised


class Health:
    """`failed`: why the transaction must be aborted. `fatal`: why the client is broken for good."""

    def __init__(self) -> None:
        self.failed: KafkaError | None = None
        self.fatal: KafkaError | None = None
        self._is_told = True

    def refused(self, why: KafkaError) -> None:
        """A record of a transaction was refused; the first reason stays."""
        if why.fatal():
            self.fatal = why
        else:
            self.failed = self.failed or error(why.code(), why.str(), abort=True)

    def has_gap(self, why: KafkaError) -> None:
        """A record was refused, and none behind it may be sent; `tell` says so once."""
        self.fatal = error(
            KafkaError._GAPLESS_GUARANTEE, f"a record was refused: {why.str()}", fatal=True
        )
        self._is_told = False

    def abortable(self, why: KafkaError) -> KafkaException:
        """What a call of the transaction raises that was refused."""
        if why.fatal():
            self.fatal = why
            return KafkaException(why)
        self.failed = error(why.code(), why.str(), abort=True)
        return KafkaException(self.failed)

    def tell(self) -> None:
        """KafkaException where a record was refused and nobody was told."""
        if not self._is_told:
            self._is_told = True
            assert self.fatal is not None
            raise KafkaException(self.fatal)

    def check_client(self) -> None:
        """KafkaException where nothing can be produced any more."""
        if self.fatal is not None:
            raise raised(KafkaError._FATAL, self.fatal.str(), fatal=True)

    def check(self, *, in_transaction: bool = True) -> None:
        """KafkaException where the client is broken, or, in a transaction, where that failed."""
        if self.fatal is not None:
            raise KafkaException(self.fatal)
        if in_transaction and self.failed is not None:
            raise KafkaException(self.failed)
