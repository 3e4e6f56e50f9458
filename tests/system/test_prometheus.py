"""A real Prometheus scrapes two gateways under load, and has a value for every metric and label that dashboards and alerts
made for Spring Cloud Gateway, Resilience4j and Hystrix ask for; all but those about a JVM."""
import json
import re
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest

from harness import GUARD, ROOT, failing, free_port, plain, until

HYSTRIX, NAME = ("group", "key"), ("name", "group")
SERVER = ("exception", "method", "outcome", "status", "uri")
SPRING = ("routeId", "routeUri", "outcome", "status", "httpStatusCode", "httpMethod")
CLIENT = ("http_method", "http_status_code", "spring_cloud_gateway_route_id", "spring_cloud_gateway_route_uri", "error")


def timer(name, labels, *more):
    return {f"{name}_{part}": labels for part in ("count", "sum", "max", *more)}


BOTH = ("boot3", "boot2")
# By the names of which Spring Boot.
METRICS = {
    BOTH: {
        **timer("http_server_requests_seconds", SERVER, "bucket"),
        **timer("spring_cloud_gateway_requests_seconds", SPRING),
        **timer("gateway_requests_seconds", SPRING),
        **timer("hystrix_latency_execution_seconds", HYSTRIX),
        **timer("hystrix_latency_total_seconds", HYSTRIX),
        **timer("resilience4j_circuitbreaker_calls_seconds", (*NAME, "kind"), "bucket"),
        "hystrix_execution_total": (*HYSTRIX, "event", "terminal"),
        "hystrix_execution_terminal_total": HYSTRIX,
        "hystrix_circuit_breaker_open": HYSTRIX,
        "hystrix_concurrent_execution_current": HYSTRIX,
        "hystrix_concurrent_execution_rolling_max": HYSTRIX,
        "resilience4j_circuitbreaker_state": (*NAME, "state"),
        "resilience4j_circuitbreaker_not_permitted_calls_total": (*NAME, "kind"),
        "resilience4j_circuitbreaker_buffered_calls": (*NAME, "kind"),
        "resilience4j_circuitbreaker_slow_calls": (*NAME, "kind"),
        "resilience4j_circuitbreaker_failure_rate": NAME,
        "resilience4j_circuitbreaker_slow_call_rate": NAME,
        "resilience4j_bulkhead_available_concurrent_calls": NAME,
        "resilience4j_bulkhead_max_allowed_concurrent_calls": NAME,
        "resilience4j_ratelimiter_available_permissions": NAME,
        "resilience4j_ratelimiter_waiting_threads": NAME,
        "resilience4j_retry_calls_total": (*NAME, "kind"),
        "resilience4j_timelimiter_calls_total": (*NAME, "kind"),
        "spring_cloud_gateway_routes_count": (),
        **{name: () for name in (
            "process_cpu_usage", "process_uptime_seconds", "process_start_time_seconds", "process_files_open_files",
            "process_files_max_files", "process_cpu_time_ns_total", "system_cpu_usage", "system_cpu_count",
            "system_load_average_1m", "application_started_time_seconds", "application_ready_time_seconds")},
    },
    ("boot3",): {
        **timer("http_server_requests_active_seconds", SERVER),
        **timer("http_client_requests_seconds", CLIENT),
        **{f"http_server_requests_seconds_{part}": ("error",) for part in ("count", "bucket")},
    },
    ("boot2",): {
        "hystrix_errors_total": HYSTRIX,
        "hystrix_requests_total": HYSTRIX,
        "hystrix_fallback_total": (*HYSTRIX, "event"),
        "hystrix_command_other_total": (*HYSTRIX, "event"),
    },
}
# The queries of alerts and of Spring Cloud Gateway's and Resilience4j's dashboards, with their variables filled in.
QUESTIONS = [
    'hystrix_circuit_breaker_open == 1',
    'resilience4j_circuitbreaker_state{state="open"} == 1',
    'sum(resilience4j_circuitbreaker_state{state="closed"})',
    'sum(resilience4j_circuitbreaker_state{state=~"open|forced_open"})',
    'resilience4j_circuitbreaker_failure_rate{instance=~".+",name=~"patient"} == 100',
    'rate(resilience4j_circuitbreaker_calls_seconds_count{instance=~".+",name=~"patient"}[1m])',
    'histogram_quantile(0.95, sum(rate(resilience4j_circuitbreaker_calls_seconds_bucket{application=~"boot3",name="reception"}[1m]))'
    ' by (le)) > 0',
    'rate(resilience4j_retry_calls_total{application=~"boot3",name=~"reception",}[1m])',
    'rate(resilience4j_circuitbreaker_not_permitted_calls_total{name="patient"}[1m]) > 0',
    'sum(rate(spring_cloud_gateway_requests_seconds_count{outcome!="SUCCESSFUL"}[1m])) by (routeId,httpStatusCode,outcome,status) > 0',
    'sum(rate(gateway_requests_seconds_count{outcome="SUCCESSFUL",status="OK"}[1m])) by (routeId)',
    'sum by (routeId) (rate(spring_cloud_gateway_requests_seconds_sum[1m])) / sum by (routeId) '
    '(rate(spring_cloud_gateway_requests_seconds_count[1m])) > 0',
    'avg(rate(http_server_requests_seconds_count{uri=~".*patient.*"}[1m])) > 0',
    'http_server_requests_seconds_count{application="boot3",exception="none",error="none",outcome="SUCCESS"}',
    'http_server_requests_seconds_count{application="boot2",exception="None",outcome="SUCCESS"}',
    'rate(process_cpu_time_ns_total[1m])',
    'spring_cloud_gateway_routes_count == 2',
]
CONFIG = """
global: {{ scrape_interval: 300ms, scrape_timeout: 300ms }}
scrape_configs:
  - job_name: gateway
    metrics_path: /actuator/prometheus
    static_configs: [{{ targets: {targets} }}]
"""


class Prometheus:
    def __init__(self, folder, ports):
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(targets=json.dumps([f"127.0.0.1:{port}" for port in ports])))
        self.port = free_port()
        with open(folder / "log", "w") as log:
            self.process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
                                             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)

    def api(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=GUARD) as answer:
            return json.load(answer)["data"]

    def ask(self, expression):
        return self.api("query?" + urllib.parse.urlencode({"query": expression}))["result"]

    def is_up(self):
        assert self.process.poll() is None
        try:
            return len(self.ask("up")) == 2
        except OSError:
            return False

    def errors(self):
        return [error for target in self.api("targets")["activeTargets"] if (error := target["lastError"])]

    def stop(self):
        self.process.terminate()
        self.process.wait(GUARD)


@pytest.fixture
def gateways(gateway, upstream):
    """A patient whose breaker is open and a reception that is well, behind a gateway with the names of each Spring Boot."""
    bad, good = upstream(failing), upstream(plain)
    upstreams = {"patient": {"url": bad, "breaker": {"minimum_calls": 5, "open_for": "10m", "open_for_max": "10m"}},
                 "reception": good}
    routes = [{"path": "/patient", "upstream": "patient"}, {"path": "/reception", "upstream": "reception"}]
    return [gateway(upstreams, routes, metrics={"names": names, "tags": {"application": names}}) for names in BOTH]


@pytest.fixture
def load(gateways, client):
    """Requests one after the other, until the test is over."""
    is_over = threading.Event()

    def ask(connection):
        while not is_over.is_set():
            connection.request(target="/patient/7")
            connection.request(target="/reception")

    threads = [threading.Thread(target=ask, args=(client(started),)) for started in gateways]
    for thread in threads:
        thread.start()
    yield
    is_over.set()
    for thread in threads:
        thread.join(GUARD)


@pytest.fixture
def prometheus(gateways, tmp_path):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    started = Prometheus(folder, [one.admin_port for one in gateways])
    yield started
    started.stop()


def without_bound(expression):
    """An alert's or a panel's figure, whether it is above its bound or not."""
    return re.split(r" (?:>|==) [0-9.]+$", expression)[0]


def ours():
    """The queries of the files in deploy/: the dashboard of the gateway, and its alerts."""
    with open(f"{ROOT}/deploy/grafana/gateway.json") as file:
        for panel in json.load(file)["panels"]:
            for target in panel.get("targets", ()):
                expression = target["expr"].replace("$__rate_interval", "1m")
                yield re.sub(r"\$\w+", ".*", expression)
    with open(f"{ROOT}/deploy/prometheus/alert_rules.yml") as file:
        for expression in re.findall(r"^ +expr: (.*)$", file.read(), re.M):
            if 'job="gateway"' in expression:
                yield without_bound(expression)


def expressions():
    yield from ours()
    for applications, metrics in METRICS.items():
        for application in applications:
            for name, labels in metrics.items():
                yield f'{name}{{application="{application}"}}'
                yield from (f'{name}{{application="{application}",{label}!=""}}' for label in labels)
    yield from QUESTIONS


def test_nothing_that_dashboards_ask_for_is_empty(load, prometheus):
    until(prometheus.is_up, "the first scrapes", 60)
    questions = list(expressions())

    def are_answered():
        """Rates take two scrapes with something between them, so the last of those that are empty are asked again."""
        questions[:] = [expression for expression in questions if not prometheus.ask(expression)]
        return not questions

    try:
        until(are_answered, "a value for everything", 60)
    except AssertionError:
        pytest.fail("\n".join(["empty:", *questions, "errors:", *prometheus.errors()]))
    assert not prometheus.ask('{__name__=~"jvm_.*"}')
