"""`make deploy-check`: everything of deploy/ that can be checked without a cluster;
build/deploy/result.json says what held.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from deploy_values import unread
from scaling_replay import replay

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy/helm/riskstream"
BUILD = ROOT / "build/deploy"
TOOLS = BUILD / "env/bin"
HELM_VERSION = "v3.19.0"
ALERTMANAGER_VERSION = "v0.32.1"
KUBERNETES = "1.31.0"
STARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    **{
        name: (("python", "-m", f"riskstream.{name}"),)
        for name in ("gateway", "scorer", "tracker", "profiler", "lag")
    },
    "reporter": (("python", "-m", "riskstream.reporter"), ("riskstream", "report")),
    "trainer": (("riskstream", "train"),),
    "cli": (("riskstream", "topics"), ("riskstream", "logged")),
}
"""By extra, what its image starts."""
RESOLVED = ("scorer-gpu", "vllm")
"""Extras that are too large to install here: resolved only."""
WRONG = {
    "kafka.bootstrap=": "kafka.bootstrap is not set",
    "kafka.bootstrap=nohost": "does not match pattern",
    "services.scorer.replicas=99": "a replica without a partition has no work",
    "services.scorer.scaling.max=99": "services.scorer.scaling.max is 99, kafka.partitions is 4",
    "services.scorer.scaling.min=5": "services.scorer.scaling.min is above its max",
    "kafka.hasCa=true": "kafka.hasCa is set and kafka.existingSecret is not",
    "redis.existingSecret=": "redis.existingSecret is not set",
    "model.volume.emptyDir.medium=Memory": (
        "model.volume has 2 sources, emptyDir and persistentVolumeClaim"
    ),
    "model.volume=null": "model.volume is not set",
    "model.release=x.release": "model.releaseKey is not",
    "networkPolicy.kafka=null": "networkPolicy.kafka is empty",
    "tracing.endpoint=http://collector:4318": "networkPolicy.collector is empty",
    "tracing.endpoint=collector:4318": "does not match pattern",
    "tracing.ratio=2": "maximum",
    "autoscaling.kind=keda": "autoscaling.prometheusAddress is not set",
    "strimzi.enabled=true": "strimzi.cluster is not set",
    "strimzi.enabled=true,strimzi.cluster=c,autoscaling.kind=keda,"
    "autoscaling.prometheusAddress=http://p:9090": "KEDA reads lag as",
    "image.tag=latest": "/image/tag",
    "replicas=3": "additional properties 'replicas' not allowed",
    "services.scorer.replica=3": "additional properties 'replica' not allowed",
    "services.scorer.resources.limits.memory=lots": "does not match pattern",
}
"""Values that contradict each other, and what must be said of them."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy_check", description=__doc__)
    parser.add_argument("--only", default="", help=f"of {', '.join(CHECKS)}")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else list(CHECKS)
    if unknown := sorted(set(names) - set(CHECKS)):
        parser.error(f"no check {unknown[0]}: one of {', '.join(CHECKS)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    for name in names:
        started = time.monotonic()
        problems = CHECKS[name]()
        seconds = round(time.monotonic() - started, 1)
        results.append({"name": name, "ok": not problems, "seconds": seconds, "problems": problems})
        print(f"DEPLOY {name}: {'ok' if not problems else 'WRONG'} in {seconds} s", flush=True)
        for problem in problems[:20]:
            print(f"  {problem[:300]}", flush=True)
    (BUILD / "result.json").write_text(json.dumps({"checks": results}, indent=1) + "\n")
    failed = [each["name"] for each in results if not each["ok"]]
    print(
        f"{len(results) - len(failed)} of {len(results)} checks "
        f"hold{': not ' + ', '.join(failed) if failed else ''}"
    )
    return 1 if failed else 0


def _tool(name: str, module: str, version: str, minutes: int) -> str:
    """From the path, else built by Go at a pinned version."""
    found = shutil.which(name) or shutil.which(name, path=str(BUILD / "bin"))
    if found is None:
        if shutil.which("go") is None:
            raise SystemExit(f"error: neither {name} nor go is there (PATH): install one of them")
        print(f"building {name} {version} ({minutes} minutes, once)", flush=True)
        env = {**os.environ, "GOBIN": str(BUILD / "bin")}
        subprocess.run(["go", "install", f"{module}/cmd/{name}@{version}"], env=env, check=True)
        found = str(BUILD / f"bin/{name}")
    return found


def _helm() -> str:
    return _tool("helm", "helm.sh/helm/v3", HELM_VERSION, 2)


def _run(*command: str | Path, **given: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, check=False, **given
    )


def _values() -> list[Path]:
    return sorted((CHART / "ci").glob("*-values.yaml"))


def _render(values: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return _run(
        _helm(),
        "template",
        "risk",
        CHART,
        "-n",
        "risk",
        "-f",
        values,
        "--kube-version",
        KUBERNETES,
        *more,
    )


def lint() -> list[str]:
    """helm lint --strict, and rendering, with each file of values."""
    problems = []
    for values in _values():
        done = _run(_helm(), "lint", "--strict", CHART, "-f", values, "--kube-version", KUBERNETES)
        if done.returncode:
            problems.append(f"{values.name}: {done.stdout[-300:]}")
        rendered = _render(values)
        if rendered.returncode:
            problems.append(f"{values.name}: {rendered.stderr[-300:]}")
        (BUILD / f"rendered-{values.name}").write_text(rendered.stdout)
    return problems + ([] if len(_values()) >= 5 else ["fewer than five files of values"])


def contradictions() -> list[str]:
    """Values that contradict each other are told when the chart is rendered."""
    problems = []
    for change, words in WRONG.items():
        done = _render(CHART / "ci/minimal-values.yaml", "--set", change)
        if done.returncode == 0 or words not in done.stderr:
            problems.append(f"--set {change}: {done.stderr.strip()[-200:] or 'rendered'}")
    return problems


def values() -> list[str]:
    """Each value of values.yaml changes what is rendered, or is refused: there is none that nobody
    reads.
    """
    files = [CHART / "values.yaml", CHART / "ci/production-values.yaml"]
    return [f"{name}: another value changes nothing" for name in unread(files, BUILD, _render)]


def switches() -> list[str]:
    """With each service off, with and without KEDA: what is rendered is whole, and alerts miss only
    what is on.
    """
    problems = []
    promtool = shutil.which("promtool")
    for file in ("production", "hpa"):
        path = CHART / f"ci/{file}-values.yaml"
        for name in yaml.safe_load((CHART / "values.yaml").read_text())["services"]:
            done = _render(
                path, "--set", f"services.{name}.enabled=false,prometheusRule.enabled=true"
            )
            if done.returncode:
                problems.append(f"{file} without {name}: {done.stderr[-300:]}")
                continue
            objects = [each for each in yaml.safe_load_all(done.stdout) if each]
            [rules] = [each["spec"] for each in objects if each["kind"] == "PrometheusRule"]
            left = [
                rule["alert"]
                for group in rules["groups"]
                for rule in group["rules"]
                if "alert" in rule
            ]
            problems += [
                f"{file} without {name}: {each}" for each in left if each == f"{name.title()}Absent"
            ]
            (BUILD / "rules.yaml").write_text(yaml.safe_dump(rules))
            if (
                promtool
                and (checked := _run(promtool, "check", "rules", BUILD / "rules.yaml")).returncode
            ):
                problems.append(
                    f"{file} without {name}: {(checked.stdout + checked.stderr)[-300:]}"
                )
            [groups] = [
                each["data"].get("RISKSTREAM_LAG_GROUPS", "")
                for each in objects
                if each["kind"] == "ConfigMap" and each["metadata"]["name"].endswith("-lag")
            ] or [""]
            if f"{name}=" in groups:
                problems.append(
                    f"{file} without {name}: the lag service still expects it, {groups}"
                )
    return problems


def schemas() -> list[str]:
    """Every rendered object against Kubernetes' own schemas; custom ones have none here and are
    named.
    """
    problems, custom = [], set()
    for values in _values():
        done = _run(
            TOOLS / "kubernetes-validate",
            "--strict",
            "-k",
            KUBERNETES,
            BUILD / f"rendered-{values.name}",
        )
        text = done.stdout + done.stderr
        custom |= set(re.findall(r"Couldn't find schema for kind (\w+)", text))
        problems += [
            f"{values.name}: {line}"
            for line in text.splitlines()
            if line.startswith(("ERROR", "FAIL"))
        ]
        if done.returncode and not problems:
            problems.append(f"{values.name}: {text[-300:]}")
    known = {
        "KafkaTopic",
        "KafkaUser",
        "PodMonitor",
        "PrometheusRule",
        "ScaledObject",
        "TriggerAuthentication",
    }
    print(f"  rendered only, no schema here: {', '.join(sorted(custom))}")
    return problems + [f"kind {kind} has no schema" for kind in sorted(custom - known)]


def policy() -> list[str]:
    """checkov over the rendered charts: nothing fails but what is suppressed, with its reason, in
    the chart itself.
    """
    problems = []
    for values in _values():
        done = _run(
            TOOLS / "checkov",
            "-f",
            BUILD / f"rendered-{values.name}",
            "--framework",
            "kubernetes",
            "--compact",
            "--quiet",
            "--skip-download",
            "--output",
            "json",
        )
        try:
            found = json.loads(done.stdout)
        except ValueError:
            return [f"{values.name}: checkov gave no result: {(done.stdout + done.stderr)[-300:]}"]
        results = found["results"] if isinstance(found, dict) else found[0]["results"]
        problems += [
            f"{values.name}: {each['check_id']} {each['check_name']}: {each['resource']}"
            for each in results["failed_checks"]
        ]
    return problems


def compose() -> list[str]:
    """Compose files against the specification's schema; each says at its head how it is started."""
    problems = []
    for path in sorted((ROOT / "deploy/compose").glob("*.yaml")):
        data = yaml.safe_load(path.read_text())
        if "services" not in data or "pipelines" in data["services"] or "server" in data:
            continue  # a configuration of one of them
        done = _run(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)
        if done.returncode:
            problems.append(f"{path.name}: {done.stdout[-400:]}")
        if f"-f deploy/compose/{path.name}" not in path.read_text().split("services:")[0]:
            problems.append(f"{path.name} does not say how it is started")
    versions = (ROOT / "deploy/versions.env").read_text()
    text = "".join(path.read_text() for path in (ROOT / "deploy/compose").glob("*.yaml"))
    problems += [
        f"{name} is in no file of versions"
        for name in set(re.findall(r"\$\{(\w+_IMAGE|RISKSTREAM_TAG)\b", text))
        if f"{name}=" not in versions
    ]
    return problems


def alerts() -> list[str]:
    """Each alert fires in a test and is silent in one, and has a runbook."""
    promtool = shutil.which("promtool")
    if promtool is None:
        return ["promtool is missing (PATH): apt-get install prometheus"]
    rules, tests = CHART / "files/alerts.yaml", ROOT / "deploy/alerts/tests.yaml"
    problems = []
    for command in (("check", "rules", rules), ("test", "rules", tests)):
        done = _run(promtool, *command)
        if done.returncode:
            problems.append((done.stdout + done.stderr)[-600:])
    cases = {each["name"] for each in yaml.safe_load(tests.read_text())["tests"]}
    for group in yaml.safe_load(rules.read_text())["groups"]:
        for rule in group["rules"]:
            if name := rule.get("alert"):
                is_always_firing = rule["labels"]["severity"] == "none"
                problems += [
                    f"no case `{name} {word}`"
                    for word in (("fires",) if is_always_firing else ("fires", "is silent"))
                    if not any(case.startswith(f"{name} {word}") for case in cases)
                ]
                if not (ROOT / f"docs/runbooks/{name}.md").exists():
                    problems.append(f"{name} has no runbook docs/runbooks/{name}.md")
    return problems


def routes() -> list[str]:
    """Compose's Prometheus tells Alertmanager, which routes each alert by its severity, the
    Watchdog to its own receiver.
    """
    amtool = _tool("amtool", "github.com/prometheus/alertmanager", ALERTMANAGER_VERSION, 3)
    compose = ROOT / "deploy/compose"
    checked = _run(amtool, "check-config", compose / "alertmanager.yaml")
    if checked.returncode:
        return [(checked.stdout + checked.stderr)[-400:]]
    problems = []
    if f"alertmanager:{ALERTMANAGER_VERSION}" not in (ROOT / "deploy/versions.env").read_text():
        problems.append(
            f"deploy/versions.env names another Alertmanager than {ALERTMANAGER_VERSION}"
        )
    for group in yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]:
        for rule in (each for each in group["rules"] if "alert" in each):
            severity = rule["labels"]["severity"]
            wanted = {"page": "page", "ticket": "ticket", "none": "watchdog"}[severity]
            labels = (
                f"alertname={rule['alert']}",
                f"severity={severity}",
                "installation=riskstream",
            )
            given = ("--config.file", compose / "alertmanager.yaml", "--verify.receivers", wanted)
            done = _run(amtool, "config", "routes", "test", *given, *labels)
            if done.returncode:
                problems.append(
                    f"{rule['alert']} ({severity}) goes to {done.stdout.strip()}, not to {wanted}"
                )
    [told] = yaml.safe_load((compose / "prometheus.yaml").read_text())["alerting"]["alertmanagers"]
    targets = told["static_configs"][0]["targets"]
    services = yaml.safe_load((compose / "observability.yaml").read_text())["services"]
    problems += [
        f"Prometheus tells {each}, which Compose does not start"
        for each in targets
        if each.split(":")[0] not in services
    ]
    if promtool := shutil.which("promtool"):
        done = _run(promtool, "check", "config", "--syntax-only", compose / "prometheus.yaml")
        problems += [(done.stdout + done.stderr)[-300:]] if done.returncode else []
    return problems


def scaling() -> list[str]:
    """A day through the scaling query in a real Prometheus: at most one change of the replicas in
    ten minutes, and some of them.
    """
    if shutil.which("promtool") is None or shutil.which("prometheus") is None:
        return ["prometheus is missing (PATH): apt-get install prometheus"]
    found = replay(_render(CHART / "ci/production-values.yaml").stdout, BUILD / "scaling")
    print("  " + ", ".join(f"{name} {value}" for name, value in found.items()))
    (BUILD / "scaling.json").write_text(json.dumps(found, indent=1) + "\n")
    problems = (
        []
        if found["most_in_10_minutes"] <= 1
        else [(f"{found['most_in_10_minutes']} changes in ten minutes")]
    )
    return problems + (
        [] if found["changes"] >= 2 else [("the day asked for no change: it proves nothing")]
    )


def extras() -> list[str]:
    """Each extra alone, from its hashed requirements, in an environment of its own, starts what its
    image starts.
    """
    problems = []
    wheel = _wheel()
    for extra, commands in STARTS.items():
        folder = BUILD / f"extras/{extra}"
        shutil.rmtree(folder, ignore_errors=True)
        starts: list[tuple[str | Path, ...]] = [
            (folder / "bin" / each[0], *each[1:], "--help") for each in commands
        ]
        steps: list[tuple[str | Path, ...]] = [
            (sys.executable, "-m", "venv", folder),
            (
                folder / "bin/python",
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                ROOT / f"requirements/{extra}.txt",
            ),
            (
                folder / "bin/python",
                "-m",
                "pip",
                "install",
                "-q",
                "--disable-pip-version-check",
                "--no-deps",
                wheel,
            ),
            *starts,
            # as its image does when it is built
            *([(folder / "bin/riskstream", "compile")] if extra == "scorer" else []),
        ]
        for step in steps:
            done = _run(*step, cwd=BUILD)
            if done.returncode:
                problems.append(
                    f"{extra}: {' '.join(map(str, step))[-120:]}: "
                    f"{(done.stdout + done.stderr)[-300:]}"
                )
                break
        shutil.rmtree(folder, ignore_errors=True)
    for extra in RESOLVED:
        target = (
            "--python-version",
            "3.12",
            "--python-platform",
            "x86_64-unknown-linux-gnu",
            "--target",
            BUILD / "resolved",
        )
        given = ("--require-hashes", "--quiet", *target)
        done = _run(
            TOOLS / "uv",
            "pip",
            "install",
            "--dry-run",
            *given,
            "-r",
            ROOT / f"requirements/{extra}.txt",
        )
        if done.returncode:
            problems.append(f"{extra} does not resolve: {done.stderr[-300:]}")
    return problems


def _wheel() -> Path:
    out = BUILD / "wheel"
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def generated() -> list[str]:
    """Topics, users, dashboards and AsyncAPI are what topics/ and schemas/ say."""
    done = _run(sys.executable, ROOT / "scripts/deploy_files.py", "--check")
    return [done.stderr] if done.returncode else []


CHECKS: dict[str, Callable[[], list[str]]] = {
    "generated": generated,
    "lint": lint,
    "contradictions": contradictions,
    "values": values,
    "switches": switches,
    "schemas": schemas,
    "policy": policy,
    "compose": compose,
    "alerts": alerts,
    "routes": routes,
    "scaling": scaling,
    "extras": extras,
}

if __name__ == "__main__":
    sys.exit(main())
