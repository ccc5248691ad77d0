"""Starts the scorer: `python -m riskstream.scorer`."""

from riskstream.domain.risk.features.sets import SETS
from riskstream.platform.adapters.signing import PublicKey
from riskstream.platform.kafka.claims import prove_ours
from riskstream.platform.kafka.currency import prove_currency
from riskstream.platform.process.process import Process
from riskstream.runtime.run import run_main
from riskstream.scorer.app import Scorer, topic_needs
from riskstream.scorer.models import load_base
from riskstream.scorer.settings import ScorerSettings


def main() -> None:
    settings = ScorerSettings.load()
    with Process(settings) as process:
        base = load_base(settings, SETS[settings.features])
        key = None if settings.release_key is None else PublicKey.read(settings.release_key)
        needs = topic_needs(settings)
        limits = process.prove(needs)
        scorer = Scorer(settings, base, process)
        scorer.follow(key)
        scorer.prove_redis()
        prove_currency(settings.kafka, settings.base_currency, settings.output, "score.v1")
        mine = (settings.group, (settings.source,))
        prove_ours(
            settings.kafka, process.admin, settings.group, {settings.output: mine}, needs.letters_of
        )
        scorer.run(limits[settings.dead_letters])


if __name__ == "__main__":
    run_main(main)
