"""Whether each value of the chart does something: `unread` changes one after the other and compares
what is rendered.
"""

import copy
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

Render = Callable[[Path], subprocess.CompletedProcess[str]]
At = tuple[str, ...]

ON: dict[str, Any] = {
    "image": {"pullSecrets": [{"name": "pull"}]},
    "serviceAccount": {"annotations": {"a": "b"}},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True},
    "dashboards": {"enabled": True},
    "cronJobs": {"report": {"enabled": True}, "training": {"enabled": True}},
}
"""On top of the production values, so that nothing is left out of the rendering."""
KINDS: list[dict[str, Any]] = [
    {},
    {"autoscaling": {"kind": "none"}},
    {"model": {"release": "", "releaseKey": ""}},
    {"strimzi": {"enabled": True, "cluster": "c"}},
    *({"services": {name: {"replicas": 99}}} for name in ("scorer", "tracker", "profiler")),
]
"""A value that changes nothing in one of these must change something in another, the refusal of a
contradiction included.
"""


def unread(files: list[Path], folder: Path, render: Render) -> list[str]:
    """Names of values that change nothing, whatever else is set. `render` renders the chart with a
    file of values.
    """
    base: dict[str, Any] = {}
    for path in files:
        base = _merged(base, yaml.safe_load(path.read_text()))
    file = folder / "one-value.yaml"

    def text(values: dict[str, Any]) -> str:
        """What is rendered, or why not."""
        file.write_text(yaml.safe_dump(values))
        done = render(file)
        return done.stdout if done.returncode == 0 else done.stderr

    variants = [_merged(_merged(base, ON), kind) for kind in KINDS]
    before = [text(each) for each in variants]
    if not before[0].startswith("---"):
        return [f"(everything on: {before[0][-300:]})"]
    return [
        ".".join(at)
        for at, value in _leaves(variants[0])
        if all(
            text(_changed(each, at, _another(value))) == was
            for each, was in zip(variants, before, strict=True)
        )
    ]


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(under)
    for key, value in over.items():
        known = out.get(key)
        out[key] = (
            _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
        )
    return out


def _leaves(values: dict[str, Any], at: At = ()) -> Iterator[tuple[At, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*at, key))
        else:
            yield (*at, key), value


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 + 1
    if isinstance(value, str):
        return f"{value}x"
    return [*value, {"key": "another"}] if isinstance(value, list) else {"another": "value"}


def _changed(values: dict[str, Any], at: At, value: Any) -> dict[str, Any]:
    out = copy.deepcopy(values)
    into = out
    for key in at[:-1]:
        into = into.setdefault(key, {})
    into[at[-1]] = value
    return out
