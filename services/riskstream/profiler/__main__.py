"""Starts the profiler: `python -m riskstream.profiler`."""

from riskstream.platform.kafka.claims import prove_ours
from riskstream.platform.kafka.currency import prove_currency
from riskstream.platform.kafka.proofs import TopicNeeds
from riskstream.platform.process.process import Process
from riskstream.profiler.app import Profiler
from riskstream.profiler.settings import ProfilerSettings
from riskstream.profiler.shuffle import EVENTS, LABEL_LETTERS, LABELS, TRANSACTIONS
from riskstream.runtime.kernel import compile_all
from riskstream.runtime.run import run_main


def main() -> None:
    settings = ProfilerSettings.load()
    with Process(settings) as process:
        profiler = Profiler(settings, process)
        kept = {EVENTS: profiler.state_topics}
        limits = process.prove(
            TopicNeeds.of_catalog("profiler", kept=kept, letters_of={LABEL_LETTERS: LABELS})
        )
        compile_all()
        profiler.prove_redis()
        prove_currency(settings.kafka, settings.base_currency, TRANSACTIONS, "transaction.v1")
        prove_ours(settings.kafka, process.admin, settings.group, profiler.outputs)
        profiler.run(limits[LABEL_LETTERS])


if __name__ == "__main__":
    run_main(main)
