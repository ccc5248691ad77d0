"""Every query of every dashboard returns data from a real Prometheus that scrapes the running
chain; the alerts' rules load.
"""

import json
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from tests.support.builders import request, rows
from tests.support.tools import tool
from tests.support.world import World

from riskstream.workbench.local.server import Server, free_port

CHART = Path(__file__).parents[2] / "deploy/helm/riskstream/files"
DEADLINE_S = 120.0


def _get(base: str, path: str, **given: str) -> Any:
    with urllib.request.urlopen(
        f"{base}{path}?{urllib.parse.urlencode(given)}", timeout=5
    ) as answer:
        return json.load(answer)["data"]


def _queries() -> dict[str, str]:
    out = {}
    for path in sorted((CHART / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                out[f"{path.stem}: {panel['title']} {target['refId']}"] = target["expr"]
    return out


def test_every_query_of_every_dashboard_has_data(world: World, tmp_path: Path) -> None:
    port = free_port()
    targets = [
        service.telemetry.removeprefix("http://") for service in world.chain.services.values()
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(CHART / "alerts.yaml")],
        "scrape_configs": [
            {
                "job_name": "riskstream",
                "static_configs": [{"targets": targets, "labels": {"installation": "riskstream"}}],
            }
        ],
    }
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    server = Server(
        "prometheus",
        [
            tool("prometheus", package="prometheus"),
            f"--config.file={tmp_path}/prometheus.yaml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        tmp_path / "prometheus.log",
    )
    base = f"http://127.0.0.1:{port}"
    try:
        missing = _queries()
        assert len(missing) > 20
        sent, end = 0, time.monotonic() + DEADLINE_S
        while missing and time.monotonic() < end:
            world.send(rows(world.tag, sent, 50))
            body = json.dumps(
                request(transaction_id=f"{world.tag}-http-{sent}", customer_id=f"{world.tag}-h")
            )
            world.post("/v1/transactions", body.encode())
            world.post("/v1/decisions?deadline_ms=5000", body.encode())
            sent += 50
            time.sleep(0.5)
            try:
                missing = {
                    name: query for name, query in missing.items() if not _has_data(base, query)
                }
            except OSError:
                continue  # not up yet
        assert not missing
        assert all(
            rule["health"] == "ok"
            for group in _get(base, "/api/v1/rules")["groups"]
            for rule in group["rules"]
        )
        # its group is evaluated once a while
        while not _has_data(base, "riskstream:scorer_late:ratio_rate5m"):
            assert time.monotonic() < end
            time.sleep(0.5)
        late = _get(base, "/api/v1/query", query="riskstream:scorer_late:ratio_rate5m")["result"]
        assert 0 <= float(late[0]["value"][1]) <= 1
    finally:
        server.stop()


def _has_data(base: str, query: str) -> bool:
    found = _get(base, "/api/v1/query", query=query)["result"]
    return bool(found) and all(each["value"][1] != "NaN" for each in found)
