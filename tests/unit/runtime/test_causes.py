"""What stands in the middle of a sentence about a file: one line, without the path, with the place
in a YAML text.
"""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from riskstream.runtime.causes import cause


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("transaction: [1,2", "expected ',' or ']', but got '<stream end>', line 1, column 18"),
        ("rules:\n  - id: a: b", "mapping values are not allowed here, line 2, column 10"),
        ("a: \0", "unacceptable character #x0000: special characters are not allowed"),
    ],
)
def test_yaml_that_is_broken_says_where_in_one_line(text: str, said: str) -> None:
    with pytest.raises(yaml.YAMLError) as found:
        yaml.safe_load(text)
    assert cause(found.value) == said


def test_a_file_that_is_not_there_is_not_named_twice(tmp_path: Path) -> None:
    with pytest.raises(OSError) as found:  # noqa: PT011  whatever Arrow says
        pq.read_schema(tmp_path / "no.parquet")
    assert cause(found.value) == "No such file or directory"
    assert cause(ValueError("")) == "ValueError"
