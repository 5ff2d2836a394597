"""A real Prometheus in a namespace of a sandbox, which scrapes the lab's speakers and minds the alerts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from swimlb.lab import http, namespaces
from swimlb.lab.daemon import Daemon
from swimlb.lab.errors import LabError
from swimlb.lab.sandbox import Sandbox
from swimlb.runtime import clock

PORT = 9090
"""On the namespace's own loopback."""
QUERY_TIMEOUT = 5.0


class Prometheus(Daemon):
    """Scrapes and judges once a second; the history is gone with the sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        namespace: str,
        targets: Sequence[str],
        rules: Path,
        how: Mapping[str, Any] | None = None,
        *,
        is_patient: bool = False,
    ) -> None:
        """`targets` are addresses with ports. `how` they are scraped is in Prometheus' own words, such as `scheme`.

        An alert has to last a second, whatever `for` the rules give, and one that looks back for two minutes does so for
        five seconds, unless this one `is_patient`.
        """
        super().__init__(sandbox, namespace, "prometheus")
        self._targets = tuple(targets)
        self._rules = rules
        self._how = dict(how or {})
        self._is_patient = is_patient

    def start(self) -> None:
        namespaces.require_tool("prometheus")
        self.sandbox.add_directory(self.home)
        rules = self._rules.read_text()
        (self.home / "rules.yaml").write_text(rules if self._is_patient else _impatient(rules))
        # JSON is YAML.
        (self.home / "prometheus.yaml").write_text(json.dumps(self._configuration()))
        self.launch(
            [
                "prometheus",
                f"--config.file={self.home}/prometheus.yaml",
                f"--storage.tsdb.path={self.home}/data",
                f"--web.listen-address=127.0.0.1:{PORT}",
                "--log.level=warn",
            ],
            is_ready=self._is_ready,
        )

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series, at this moment."""
        result = self._ask(f"/api/v1/query?{urlencode({'query': expression})}")["result"]
        return [(one["metric"], float(one["value"][1])) for one in result]

    def query_range(
        self, expression: str, seconds: float, step: float = 1.0
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """The labels of each series and its points of the last so many seconds: seconds since then, and values."""
        end = clock.wall()
        asked = {"query": expression, "start": end - seconds, "end": end, "step": step}
        result = self._ask(f"/api/v1/query_range?{urlencode(asked)}")["result"]
        return [
            (one["metric"], [(at - end + seconds, float(value)) for at, value in one["values"]])
            for one in result
        ]

    def firing(self) -> frozenset[str]:
        """Names of the alerts that fire."""
        alerts = self._ask("/api/v1/alerts")["alerts"]
        return frozenset(one["labels"]["alertname"] for one in alerts if one["state"] == "firing")

    def healthy_targets(self) -> frozenset[str]:
        """Those whose last scrape went well."""
        targets = self._ask("/api/v1/targets?state=active")["activeTargets"]
        return frozenset(one["labels"]["instance"] for one in targets if one["health"] == "up")

    def _configuration(self) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(self.home / "rules.yaml")],
            "scrape_configs": [
                {**self._how, "job_name": "swimlb", "static_configs": [{"targets": list(self._targets)}]},
            ],
        }

    def _is_ready(self) -> bool:
        try:
            return self._get("/-/ready").status == 200
        except OSError:
            return False

    def _ask(self, target: str) -> Any:
        answer = self._get(target)
        if answer.status != 200:
            raise LabError(f"prometheus does not answer {target}: {answer.text}")
        return json.loads(answer.body)["data"]

    def _get(self, target: str) -> http.Response:
        namespace = self.sandbox.namespace(self.namespace)
        return http.get_from(namespace, "127.0.0.1", PORT, target, timeout=QUERY_TIMEOUT)


def _impatient(rules: str) -> str:
    lasting = re.sub(r"^(\s+for:) \w+$", r"\1 1s", rules, flags=re.MULTILINE)
    return lasting.replace("[2m]", "[5s]").replace("offset 2m", "offset 5s")
