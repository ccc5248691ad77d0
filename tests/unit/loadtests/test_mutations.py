"""Faults of the simulation: each still has its place in the product."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from loadtests.simulation.mutations import MUTATIONS, Mutation
from loadtests.simulation.plan import SCENES


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_a_fault_has_one_place_in_its_module(mutation: Mutation) -> None:
    spec = find_spec(mutation.module)
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_text()
    assert text.count(mutation.old) == 1
    with_fault = mutation.put_into(text)
    assert with_fault != text
    compile(with_fault, spec.origin, "exec")


def test_faults_are_told_apart_and_are_of_scenes() -> None:
    assert len({each.name for each in MUTATIONS}) == len(MUTATIONS)
    assert {each.scene for each in MUTATIONS} <= SCENES.keys()
