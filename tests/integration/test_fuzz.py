"""The gateway of the running chain, by its own OpenAPI: the short form of `gateway-fuzz`."""

from loadtests.gateway.fuzz import SHORT, fuzz
from tests.support.world import World


def test_no_request_of_the_document_or_beside_it_breaks_the_gateway(world: World) -> None:
    counts, problems = fuzz(world.chain.gateway, 1, SHORT)
    assert problems == [], "\n".join(problems)
    assert counts["requests"] > 60
