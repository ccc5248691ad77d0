"""A cluster past its retention, in short; `python -m loadtests.proof --only old` has each Redis by
itself and ten restarts.
"""

from pathlib import Path

from loadtests.proof.old import SHORT, short


def test_a_cluster_that_grew_old_twice_answers_all_that_comes_and_says_what_it_lacks(
    model: Path, tmp_path: Path
) -> None:
    """Heads and offsets expired, topics compacted, a partition idle, Redis older, then empty; all
    is compared at the end.
    """
    counts, problems = short(tmp_path, model, 11)
    assert not problems, "\n".join(problems)
    assert counts["flagged"] > len(SHORT)
    assert counts["features_equal"] > 1000
    assert counts["alerts"] > 0
