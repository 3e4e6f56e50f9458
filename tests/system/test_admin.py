"""The admin listener, for people, dashboards and alerts; and the command line."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from harness import failing, free_port, plain, taken_slowly, until
from process import BINARY, Metrics, run

HYSTRIX_FIELDS = """reportingHosts type name group isCircuitBreakerOpen errorPercentage errorCount requestCount
rollingCountCollapsedRequests rollingCountExceptionsThrown rollingCountFailure rollingCountFallbackFailure
rollingCountFallbackRejection rollingCountFallbackSuccess rollingCountResponsesFromCache rollingCountSemaphoreRejected
rollingCountShortCircuited rollingCountSuccess rollingCountThreadPoolRejected rollingCountTimeout rollingCountBadRequests
currentConcurrentExecutionCount latencyExecute_mean latencyExecute propertyValue_circuitBreakerRequestVolumeThreshold
propertyValue_circuitBreakerSleepWindowInMilliseconds propertyValue_circuitBreakerErrorThresholdPercentage
propertyValue_circuitBreakerForceOpen propertyValue_circuitBreakerForceClosed propertyValue_executionIsolationStrategy
propertyValue_executionIsolationThreadTimeoutInMilliseconds propertyValue_executionIsolationThreadInterruptOnTimeout
propertyValue_executionIsolationSemaphoreMaxConcurrentRequests propertyValue_fallbackIsolationSemaphoreMaxConcurrentRequests
propertyValue_requestCacheEnabled propertyValue_requestLogEnabled
propertyValue_metricsRollingStatisticalWindowInMilliseconds""".split()


@pytest.fixture
def services(gateway, upstream, client):
    """A gateway with a patient service that fails after its breaker has seen it, and a reception that is well."""
    bad, good = upstream(failing), upstream(plain)
    started = gateway({"patient": {"url": bad, "retry": {"attempts": 0}, "breaker": {"minimum_calls": 5, "open_for": "60s"}},
                       "reception": good},
                      [{"path": "/patient", "upstream": "patient"}, {"path": "/reception", "upstream": "reception"}])
    connection = client(started)
    for _ in range(8):
        connection.request(target="/patient/7")
        connection.request(target="/reception")
    connection.request(target="/elsewhere")
    started.log(17)
    return started


def test_liveness_and_readiness(services):
    for path in ("/livez", "/readyz"):
        assert services.ask_admin(path)[0] == 200
    assert services.ask_admin("/nowhere")[0] == 404


def test_health_names_the_open_breaker_and_stays_up(services):
    status, headers, text = services.ask_admin("/actuator/health")
    health = json.loads(text)
    assert status == 200 and health["status"] == "UP" and "json" in headers["Content-Type"]
    details = health["components"]["circuitBreakers"]["details"]
    assert details["patient"]["status"] == "CIRCUIT_OPEN" and details["patient"]["details"]["state"] == "OPEN"
    assert details["reception"]["status"] == "UP"


def test_circuit_breakers(services):
    patient = services.breaker("patient")
    assert patient["state"] == "OPEN" and patient["notPermittedCalls"] == 3
    assert patient["failureRateThreshold"] == "50.0%"
    reception = services.breaker("reception")
    assert reception["state"] == "CLOSED" and reception["bufferedCalls"] == 8 and reception["failedCalls"] == 0
    assert {"failureRate", "slowCallRate", "slowCallRateThreshold", "slowCalls", "slowFailedCalls"} <= reception.keys()


def events_of(started, path=""):
    return started.admin("/actuator/circuitbreakerevents" + path)["circuitBreakerEvents"]


def test_circuit_breaker_events(services):
    events = events_of(services, "/patient")
    assert [event["type"] for event in events] == ["ERROR"] * 5 + ["STATE_TRANSITION"] + ["NOT_PERMITTED"] * 3
    assert events[5]["stateTransition"] == "CLOSED_TO_OPEN" and all(event["creationTime"] for event in events)
    assert {event["errorMessage"] for event in events[:5]} == {"the upstream reported a failure: 500"}
    assert all(event["durationInMs"] >= 0 and event["outcome"] == "answered_failure" for event in events[:5])
    assert events_of(services) == events and events_of(services, "/reception") == []
    assert events_of(services, "/patient/NOT_PERMITTED") == events[6:]
    services.admin("/actuator/circuitbreakerevents/patient/NONSENSE", 400)


def test_events_of_calls_that_were_no_plain_success(gateway, upstream, client):
    def handler(connection, request):
        if request.target == "/hang":
            connection.more()  # until the gateway gives up
        if request.target == "/slow":
            time.sleep(0.05)
        connection.reply()

    started = gateway({"patient": {"url": upstream(handler), "retry": {"attempts": 0}, "breaker": {"slow_call": "20ms"},
                                   "timeouts": {"response": "5s"}}}, workers=1)
    connection = client(started)
    connection.request(target="/slow")
    leaving = client(started)
    leaving.ask(target="/hang")
    until(lambda: started.metrics().sum("gateway_bulkhead_in_flight") == 1, "the request in the upstream")
    leaving.reset()
    started.log(2)
    slow, ignored = until(lambda: len(found := events_of(started, "/patient")) == 2 and found, "both events")
    assert (slow["type"], slow["errorMessage"]) == ("SLOW", None) and slow["durationInMs"] >= 50
    assert (ignored["type"], ignored["outcome"]) == ("IGNORED_ERROR", "client_aborted")


def test_a_storm_leaves_few_events_and_says_how_many_more_there_were(gateway, upstream, client):
    started = gateway({"patient": upstream()}, workers=1)
    connection = client(started)
    connection.request()
    started.force("FORCE_OPEN")
    began = time.monotonic()
    for _ in range(300):
        assert connection.request().status == 503

    def told():
        return [event for event in events_of(started) if event["type"] == "NOT_PERMITTED"]

    until(lambda: connection.request() and len(told()) + sum(event["skipped"] for event in told()) >= 300, "the seconds that follow")
    events = events_of(started)
    seconds = 2 + int(time.monotonic() - began)
    assert [event["type"] for event in events[:2]] == ["STATE_TRANSITION", "NOT_PERMITTED"] and len(events) <= 6 + 10 * seconds
    assert len(told()) + sum(event["skipped"] for event in told()) <= started.breaker()["notPermittedCalls"]
    started.force("CLOSE")
    assert started.breaker()["notPermittedCalls"] == 0
    assert started.metrics().sum("resilience4j_circuitbreaker_not_permitted_calls_total") > 300


@pytest.mark.parametrize("path,body,status", [
    ("/actuator/circuitbreakers/nobody", '{"updateState": "CLOSE"}', (404,)),
    ("/actuator/circuitbreakers/patient", '{"updateState": "NONSENSE"}', (400,)),
    ("/actuator/circuitbreakers/patient", "{", (400,)),
    ("/actuator/circuitbreakers/patient", "", (400,)),
])
def test_bad_wishes(services, path, body, status):
    assert services.ask_admin(path, "POST", body, {"Content-Type": "application/json"})[0] in status
    assert services.breaker("patient")["state"] == "OPEN"


def test_only_post_changes_something(services):
    for method in ("PUT", "DELETE"):
        assert services.ask_admin("/actuator/circuitbreakers/patient", method)[0] == 405
    assert services.breaker("patient")["state"] == "OPEN"


def test_routes(services):
    routes = services.admin("/actuator/gateway/routes")
    assert any("/patient" in route["predicate"] for route in routes)
    assert all({"route_id", "uri", "order", "filters"} <= route.keys() for route in routes) and len(routes) == 2


def test_the_filters_of_a_route(gateway, upstream, tmp_path):
    """All that the route does to a request, in the order in which the request meets it."""
    (tmp_path / "users").write_text("doctor:$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234\n")
    started = gateway({"patient": upstream(), "door": upstream()}, [
        {"path": "/patient", "upstream": "patient", "cors": {"origins": ["https://a.example"]}, "request_body": "1MiB",
         "response_body": "2MiB", "rate_limit": {"rate": "10/m", "burst": 5}, "rewrite": {"strip_prefix": "/patient"},
         "auth": {"basic": {"file": str(tmp_path / "users")}, "forward": {"upstream": "door", "path": "/verify"}}},
        {"path": "/", "upstream": "patient"}])
    of_patient, others = (route["filters"] for route in started.admin("/actuator/gateway/routes"))
    assert [text[2:text.index("]")] for text in of_patient][:6] == [
        "cors", "RequestSize max = 1048576", "RequestRateLimiter rate = 10 in 60000 ms, burst = 5", "auth.basic",
        "auth.forward upstream = door", "response_body max = 2097152"]
    assert [text.rpartition(" = ")[2] for text in of_patient] == [f"{number + 1}]" for number in range(len(of_patient))]
    assert not any("cors" in text or "auth" in text or "Request" in text or "response_body" in text for text in others)


def test_tags_and_names_of_metrics(gateway, upstream, client):
    service = upstream()
    started = gateway(service, metrics={"tags": {"application": "${APPLICATION:-hospital}", "region": "west"}})
    client(started).request()
    started.log(1)
    metrics = started.metrics()
    assert all(labels["application"] == "hospital" and labels["region"] == "west" for _, labels, _ in metrics)
    assert metrics.sum("http_server_requests_seconds_count", exception="none", error="none", status="200") == 1
    assert metrics.sum("resilience4j_circuitbreaker_state", name="patient", group="patient", state="closed") == 1
    assert {"tag": "region", "values": ["west"]} in started.admin("/actuator/metrics/system.cpu.count")["availableTags"]
    started.configure(service, metrics={"names": "boot2"})
    started.reload()
    metrics = started.metrics()
    assert metrics.sum("http_server_requests_seconds_count", exception="None", status="200") == 1
    assert not any(labels.keys() & {"application", "error"} for _, labels, _ in metrics)


def test_requests_under_way(gateway, upstream, client):
    started = gateway(upstream(lambda connection, request: connection.more()), workers=1)  # until its client goes
    leaving = client(started)
    leaving.ask()

    def active(what):
        return started.metrics().sum(f"http_server_requests_active_seconds_{what}")

    until(lambda: active("count") == 1 and active("max") > 0, "one under way")
    assert 0 < active("max") <= active("sum") < 60
    leaving.reset()
    until(lambda: active("count") == 0 and active("sum") == 0, "none under way")


def test_named_routes(gateway, upstream, client):
    started = gateway(upstream(), [{"path": "/patient", "name": "patient-route"}, {"path": "/reception", "methods": ["GET"]}])
    connection = client(started)
    connection.request(target="/patient/7")
    connection.request(target="/reception")
    assert [line["route"] for line in started.log(2)] == ["patient-route", "/reception"]
    assert {route["route_id"] for route in started.admin("/actuator/gateway/routes")} == {"patient-route", "/reception"}
    assert started.admin("/actuator/gateway/routes/patient-route")["route_id"] == "patient-route"
    metrics = started.metrics()
    assert metrics.sum("spring_cloud_gateway_requests_seconds_count", routeId="patient-route") == 1
    assert metrics.sum("gateway_requests_total", route="patient-route", outcome="answered") == 1
    assert metrics.sum("http_server_requests_seconds_count", uri="/patient") == 1


def test_upstreams(services):
    for name in ("patient", "reception"):
        (address,) = services.endpoints(name)
        assert address.startswith("127.0.0.1:")


def test_metrics_agree_with_what_was_sent(services):
    metrics = services.metrics()
    assert metrics.sum("http_server_requests_seconds_count") == 17
    assert metrics.sum("http_server_requests_seconds_count", status="500", method="GET", outcome="SERVER_ERROR") == 5
    assert metrics.sum("http_server_requests_seconds_count", status="503") == 3
    assert metrics.sum("http_server_requests_seconds_count", uri="/reception", status="200", outcome="SUCCESS") == 8
    assert metrics.sum("http_server_requests_seconds_count", status="404", outcome="CLIENT_ERROR") == 1
    assert metrics.sum("spring_cloud_gateway_requests_seconds_count", outcome="SUCCESSFUL", httpStatusCode="200") == 8
    assert metrics.sum("resilience4j_circuitbreaker_state", name="patient", state="open") == 1
    assert metrics.sum("resilience4j_circuitbreaker_state", name="patient") == 1
    assert metrics.sum("resilience4j_circuitbreaker_not_permitted_calls_total", name="patient") == 3
    assert metrics.sum("hystrix_circuit_breaker_open", key="patient") == 1
    assert metrics.sum("hystrix_circuit_breaker_open", key="reception") == 0
    buckets = metrics.find("http_server_requests_seconds_bucket", uri="/reception", le="+Inf")
    assert sum(value for _, value in buckets) == 8


def test_calls_agree_with_the_breaker_on_what_was_replaced(gateway, upstream, client):
    def handler(connection, request):
        connection.reply(int(request.target[1:]))

    started = gateway({"patient": {"url": upstream(handler), "retry": {"attempts": 0}}},
                      [{"path": "/", "upstream": "patient", "fallback": {"on_statuses": [404, 500]}}])
    connection = client(started)
    for status in (404, 500, 404, 200):
        connection.request(target=f"/{status}")
    started.log(4)
    breaker, metrics = started.breaker("patient"), started.metrics()
    assert (breaker["bufferedCalls"], breaker["failedCalls"]) == (4, 1)
    assert metrics.sum("resilience4j_circuitbreaker_calls_seconds_count", name="patient", kind="failed") == 1
    assert metrics.sum("resilience4j_circuitbreaker_calls_seconds_count", name="patient", kind="successful") == 3
    assert metrics.sum("gateway_requests_total", outcome="replaced") == 3


def test_a_tunnels_life_is_no_latency(gateway, upstream, client):
    def handler(connection, request):
        connection.send("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        connection.send(connection.read_all())
        raise EOFError

    started = gateway(upstream(handler))
    connection = client(started)
    assert connection.request(headers={"Connection": "upgrade", "Upgrade": "websocket"}).status == 101
    time.sleep(0.3)
    connection.send("bye")
    connection.half_close()
    assert connection.read_all() == b"bye"
    (line,) = started.log(1)
    assert line["outcome"] == "upgraded" and line["duration_ms"] >= 300
    for name in ("http_server_requests_seconds", "resilience4j_circuitbreaker_calls_seconds"):
        assert started.metrics().sum(name + "_count") == 1
        assert started.metrics().sum(name + "_sum") * 1000 <= line["duration_ms"] - 300


def test_outcomes_sum_up_to_the_requests(services, client):
    for broken in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        connection = client(services)
        connection.send(broken)
        connection.answer()
    services.log(19)
    metrics = services.metrics()
    by_outcome = [(name, labels, value) for name, labels, value in metrics
                  if name.startswith("gateway_") and "outcome" in labels and name.endswith("_total")]
    names = {name for name, _, _ in by_outcome}
    assert names, "no own metric with outcomes"
    for name in names:
        assert sum(value for series, _, value in by_outcome if series == name) == 19
        found = {labels["outcome"]: 0 for series, labels, _ in by_outcome if series == name}
        assert {"answered", "answered_failure", "breaker_open", "not_found", "request_refused"} <= found.keys()


def test_a_route_that_a_reload_removed_keeps_what_it_counted(gateway, upstream, client):
    service = upstream()
    started = gateway(service, [{"path": "/old"}, {"path": "/kept"}])
    client(started).request(target="/old")
    started.configure(service, [{"path": "/kept"}, {"path": "/new"}])
    started.reload()

    def outcomes(route):
        return {labels["outcome"]: value for labels, value in started.metrics().find("gateway_requests_total", route=route)}

    assert outcomes("/old") == {"answered": 1}
    assert outcomes("/kept").keys() == outcomes("/new").keys() > {"answered", "breaker_open"}


def test_metrics_are_well_formed(services):
    status, headers, text = services.ask_admin("/actuator/prometheus")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    typed = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(typed) == len(set(typed)) and text.endswith("\n")
    series = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")]
    assert len(series) == len(set(series))


def test_metrics_by_name(services):
    status, _, text = services.ask_admin("/actuator/prometheus?includedNames=hystrix_execution,http_server_requests_seconds_count")
    assert status == 200
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")} == {
        "hystrix_execution_total", "http_server_requests_seconds"}
    assert Metrics(text).sum("hystrix_execution_total", key="patient", event="short_circuited") == 3
    assert services.ask_admin("/actuator/prometheus?includedNames=nothing")[2] == ""


def test_openmetrics(services):
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    status, headers, text = services.ask_admin("/actuator/prometheus", headers={"Accept": accept})
    assert (status, headers["Content-Type"]) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
    types = dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE"))
    assert types["hystrix_execution"] == "counter" and not any(name.endswith("_total") for name in types)
    metrics = Metrics(text)
    for name, kind in types.items():
        assert metrics.find({"counter": name + "_total", "gauge": name}.get(kind, name + "_count")), name
    assert {le for _, labels, _ in metrics for le in [labels.get("le")]} > {"0.0005", "1.0", "10.0", "+Inf"}


def test_meters_agree_with_the_metrics(services):
    def meter(name, *tags):
        found = services.admin(f"/actuator/metrics/{name}?" + "&".join(f"tag={tag}" for tag in tags))
        values = {one["statistic"]: one["value"] for one in found["measurements"]}
        return values, {one["tag"]: set(one["values"]) for one in found["availableTags"]}, found.get("baseUnit")

    names = services.admin("/actuator/metrics")["names"]
    assert len(names) == len(set(names)) and all(meter(name)[0] for name in names)
    values, tags, unit = meter("http.server.requests")
    assert values["COUNT"] == 17 and 0 < values["MAX"] < values["TOTAL_TIME"] and unit == "seconds"
    assert tags["status"] == {"200", "404", "500", "503"} and "le" not in tags
    values, tags, _ = meter("http.server.requests", "uri:/patient", "status:500")
    assert values["COUNT"] == 5 and not {"uri", "status"} & tags.keys() and tags["method"] == {"GET"}
    assert meter("resilience4j.circuitbreaker.calls", "name:reception", "kind:successful")[0]["COUNT"] == 8
    assert meter("resilience4j.circuitbreaker.not.permitted.calls", "name:patient")[0] == {"COUNT": 3}
    assert meter("gateway.requests", "httpStatusCode:200")[0]["COUNT"] == 8
    assert meter("gateway.requests.total", "outcome:breaker_open")[0] == {"COUNT": 3}
    described = services.admin("/actuator/metrics/http.server.requests")
    assert described["description"] == "Requests, by what the client got."
    assert meter("process.files.max")[0] == {"VALUE": services.metrics().sum("process_files_max_files")}
    for wrong, status in (("nothing", 404), ("http.server.requests?tag=uri:/nowhere", 404), ("process.uptime?tag=uri", 400)):
        services.admin(f"/actuator/metrics/{wrong}", status)


def test_links(services):
    links = services.admin("/actuator")["_links"]
    for name, link in links.items():
        assert link["templated"] == ("{" in link["href"])
        path = link["href"].removeprefix(f"http://127.0.0.1:{services.admin_port}")
        if not link["templated"] and name != "hystrix.stream":
            assert services.ask_admin(path)[0] == 200
    assert links["metrics-requiredMetricName"]["href"].endswith("/actuator/metrics/{requiredMetricName}")


def test_the_resources_of_the_process(services):
    """In the sandbox, too."""
    found, process = services.metrics(), f"/proc/{services.process.pid}"
    with open(process + "/limits") as limits:
        (most,) = [int(line.split()[3]) for line in limits if line.startswith("Max open files")]
    for name in ("process_max_fds", "process_files_max_files"):
        assert found.sum(name) == most
    for name in ("process_open_fds", "process_files_open_files"):
        assert 0 <= found.sum(name) - len(os.listdir(process + "/fd")) <= 1, "the question's own connection"
    assert 2**20 < found.sum("process_resident_memory_bytes") < found.sum("process_virtual_memory_bytes")
    assert 0 < found.sum("process_uptime_seconds") < 3600


def test_how_long_it_took_to_start(services):
    found = services.metrics()
    uptime = found.sum("process_uptime_seconds")
    for name in ("application_started_time_seconds", "application_ready_time_seconds"):
        ((_, took),) = found.find(name)
        assert 0 <= took <= uptime


def test_how_much_of_the_cpus_it_takes(services, client):
    """In the sandbox, too; since the start at first, and no sooner than after a second."""
    connection = client(services)

    def has_both():
        for _ in range(200):
            connection.request(target="/reception")
        found = services.metrics()
        return found.sum("process_cpu_usage") > 0 and 0 < found.sum("system_cpu_usage") <= 1

    until(has_both, "some usage")


def watch(started, path="/hystrix.stream"):
    connection = http.client.HTTPConnection("127.0.0.1", started.admin_port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200 and response.headers["Content-Type"].startswith("text/event-stream")
    return response


def next_turn(response, names):
    messages = {}
    while set(messages) != set(names):
        line = response.readline().decode()
        assert line
        if line.startswith("data:"):
            message = json.loads(line[5:])
            if message["type"] == "HystrixCommand":
                messages[message["name"]] = message
    return messages


@pytest.mark.parametrize("path", ["/hystrix.stream", "/actuator/hystrix.stream", "/turbine.stream"])
def test_hystrix_stream(services, path):
    response = watch(services, path)
    messages = next_turn(response, ("patient", "reception"))
    response.close()
    for message in messages.values():
        assert not set(HYSTRIX_FIELDS) - message.keys()
    assert messages["patient"]["isCircuitBreakerOpen"] is True and messages["reception"]["isCircuitBreakerOpen"] is False


def test_hystrix_stream_agrees_with_what_happened(gateway, upstream, client):
    def handler(connection, request):
        status = request.target.rpartition("/")[2]
        if status == "slow":
            connection.more()  # until the gateway gives up
        connection.reply(int(status))

    service, retry = upstream(handler), {"attempts": 0}
    started = gateway({"patient": {"url": service, "timeouts": {"response": "1s"}, "retry": retry},
                       "bare": {"url": service, "breaker": "off", "retry": retry},
                       "gone": {"url": f"http://127.0.0.1:{free_port()}", "retry": retry}},
                      [{"path": "/", "upstream": "patient", "fallback": {"on_statuses": [410, 503]}},
                       {"path": "/bare", "upstream": "bare"}, {"path": "/gone", "upstream": "gone"}])
    response = watch(started)
    next_turn(response, ("patient", "bare", "gone"))
    connection = client(started)
    wanted = ["/200"] * 3 + ["/404"] * 4 + ["/slow"] * 2 + ["/500", "/410", "/503"] + ["/bare/200"] * 5 + ["/gone/200"] * 2
    for target in wanted:
        connection.request(target=target)
    found = next_turn(response, ("patient", "bare", "gone"))
    while found["gone"]["rollingCountFailure"] < 2:  # made before the last request was over
        found = next_turn(response, ("patient", "bare", "gone"))
    response.close()

    def counted(name):
        prefix = "rollingCount"
        return {key.removeprefix(prefix): value for key, value in found[name].items() if key.startswith(prefix) and value}

    assert counted("patient") == {"Success": 3, "BadRequests": 5, "Timeout": 2, "Failure": 2, "FallbackSuccess": 4,
                                  "FallbackMissing": 1, "ExceptionsThrown": 1}
    assert (found["patient"]["requestCount"], found["patient"]["errorCount"]) == (7, 4)
    limited = {labels["kind"]: value
               for labels, value in started.metrics().find("resilience4j_timelimiter_calls_total", name="patient")}
    assert limited == {"successful": 8, "failed": 2, "timeout": 2}
    assert counted("bare") == {"Success": 5} and found["bare"]["requestCount"] == 5
    assert counted("gone") == {"Failure": 2, "FallbackSuccess": 2}


def test_a_large_answer_may_be_taken_slowly(gateway):
    """As long as its client goes on taking it: more than 15 seconds here."""
    started = gateway({"nobody": f"http://127.0.0.1:{free_port()}"},
                      [{"path": f"/{number}/{'x' * 100}", "upstream": "nobody"} for number in range(5000)])
    head, _, body = taken_slowly(started.admin_port, "/actuator/gateway/routes", 16).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and len(json.loads(body)) == 5000


def test_the_admin_listener_may_be_off(gateway, upstream, client):
    started = gateway(upstream(), admin="off")
    assert client(started).request().status == 200
    with pytest.raises(ConnectionRefusedError):
        started.ask_admin("/livez")


# ---- the command line


def test_healthcheck(services):
    assert run("--healthcheck", "--config", services.file).returncode == 0
    services.stop()
    assert run("--healthcheck", "--config", services.file).returncode == 1
    assert run("--healthcheck", "--config", services.file + ".none").returncode == 1


@pytest.mark.parametrize("text", [
    "admin: 127.0.0.1:{admin}\nlisten: [nonsense]\n", "admin: 127.0.0.1:{admin}\n\t- x\n",
    "admin: 127.0.0.1:{admin}\nroutes: [{{ path: /\n", "", "admin: off\n", "admin: 127.0.0.1:{other}\n", None])
def test_healthcheck_after_the_file_was_changed(gateway, upstream, text):
    """The running gateway is healthy and keeps its old configuration: nobody may kill it for a file that it has refused."""
    started = gateway(upstream())
    if text is None:
        os.remove(started.file)
    else:
        started.write(text.format(admin=started.admin_port, other=free_port()))
    checked = run("--healthcheck", "--config", started.file)
    assert checked.returncode == 0, checked.stderr
    assert "nonsense" not in (text or "") or "gateway.yml:2:10: error:" in checked.stderr
    started.stop()
    assert run("--healthcheck", "--config", started.file).returncode == 1


def test_healthcheck_asks_the_gateway_of_its_own_file(gateway, upstream):
    """Others may run beside it, and one file may serve several."""
    behind = upstream()
    first, second = gateway(behind), gateway(behind)
    first.stop()
    assert run("--healthcheck", "--config", first.file).returncode == 1
    assert run("--healthcheck", cwd=second.folder).returncode == 0
    other = free_port()
    second.configure(behind, listen=free_port(), admin="127.0.0.1:${OTHER}")
    env = {**os.environ, "OTHER": str(other)}
    with subprocess.Popen([BINARY, "--config", second.file], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as third:
        until(lambda: b"ready" in third.stderr.readline(), "ready")
        assert run("--healthcheck", "--config", second.file, env=env).returncode == 0
        third.send_signal(signal.SIGSTOP)
        assert run("--healthcheck", "--config", second.file, env=env).returncode == 1
        third.send_signal(signal.SIGCONT)
        third.terminate()


GOOD = """upstreams:
  patient:   { url: "http://tasks.patient:2222" }
  reception: { url: "http://tasks.reception:2223" }
routes:
  - { path: /patient,   upstream: patient,   fallback: Patient information is currently unavailable }
  - { path: /reception, upstream: reception, fallback: Reception information is currently unavailable }
"""


def test_check(tmp_path):
    file = tmp_path / "gateway.yml"
    file.write_text(GOOD)
    assert run("--check", "--config", str(file)).returncode == 0
    assert run("--check", cwd=tmp_path).returncode == 0
    file.write_text(GOOD.replace("fallback:", "falback:") + "lissten: 80\n")
    done = run("--check", "--config", str(file))
    told = done.stdout + done.stderr
    assert done.returncode == 2
    for place in ("gateway.yml:5:", "gateway.yml:6:", "gateway.yml:7:1: error:"):
        assert place in told
    assert "fallback" in told and "listen" in told
    assert run("--check", "--config", str(tmp_path / "missing.yml")).returncode == 2


def test_print_config_can_be_fed_back(tmp_path):
    file = tmp_path / "gateway.yml"
    file.write_text(GOOD)
    first = run("--print-config", "--config", str(file))
    assert first.returncode == 0
    file.write_text(first.stdout)
    second = run("--print-config", "--config", str(file))
    assert (second.returncode, second.stdout) == (0, first.stdout)


def test_print_config_can_be_fed_back_from_another_folder(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (here / "token").write_text("x" * 40)
    (here / "away.html").write_text("<p>away</p>")
    (here / "gateway.yml").write_text(GOOD.replace("Patient information is currently unavailable", "{ file: away.html }")
                                      + "admin: { listen: 8081, token_file: token }\n")
    first = run("--print-config", "--config", "gateway.yml", cwd=here)
    assert first.returncode == 0, first.stderr
    (there / "gateway.yml").write_text(first.stdout)
    second = run("--print-config", "--config", str(there / "gateway.yml"))
    assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr


def test_the_environment_is_filled_in(tmp_path):
    file = tmp_path / "gateway.yml"
    file.write_text(GOOD + "listen: ${TEST_PORT:-1234}\n")
    assert "1234" in run("--print-config", "--config", str(file)).stdout
    assert "4321" in run("--print-config", "--config", str(file), env={**os.environ, "TEST_PORT": "4321"}).stdout


def test_secrets_of_the_environment_are_not_printed(tmp_path):
    file = tmp_path / "gateway.yml"
    headers = "request_headers: { set: { Authorization: 'Basic ${TEST_SECRET} for $$1' } }"
    file.write_text(GOOD.replace("fallback: Patient", headers + ", fallback: Patient"))
    env = {**os.environ, "TEST_SECRET": "hush-hush"}
    first = run("--print-config", "--config", str(file), env=env)
    assert first.returncode == 0 and "hush-hush" not in first.stdout
    assert "Basic ${TEST_SECRET} for $$1" in first.stdout
    file.write_text(first.stdout)
    assert run("--print-config", "--config", str(file), env=env).stdout == first.stdout


def test_version_help_and_wrong_usage():
    assert run("--version").returncode == 0 and "gateway" in run("--version").stdout
    assert run("--help").returncode == 0 and "--check" in run("--help").stdout
    assert run("--nonsense").returncode == 2
    assert run("nonsense").returncode == 2
    assert run("one", "two").returncode == 2
    assert run("-v").stdout == run("--version").stdout and run("-h").stdout == run("--help").stdout


def test_the_file_may_be_named_in_the_ways_that_people_type(tmp_path):
    file = tmp_path / "other.yml"
    file.write_text(GOOD[:GOOD.rindex("  - {")].replace("  reception:", "  # reception:"))
    for typed in (["--check", str(file)], ["-t", str(file)], ["-t", "-c", str(file)], ["-t", "-f", str(file)]):
        done = run(*typed)
        assert done.returncode == 0 and done.stderr.endswith("other.yml: fine, 1 route, 1 upstream\n")


def test_one_message_tells_that_there_is_no_file(tmp_path):
    done = run(cwd=tmp_path)
    assert done.returncode == 2 and "name one: gateway FILE" in done.stderr
    assert len(done.stderr.splitlines()) == (2 if os.path.exists("/etc/gateway/gateway.yml.example") else 1)


def test_springs_own_file_is_recognised(tmp_path):
    file = tmp_path / "application.yml"
    file.write_text("spring:\n  cloud: { gateway: { routes: [] } }\nserver: { port: 80 }\n")
    done = run(str(file))
    assert done.returncode == 2 and "Coming from Spring Cloud Gateway" in done.stderr


@pytest.mark.parametrize("route", ["{ path: /p, upstream: patient, fallback: Sorry: closed }", "\n    fallback: Sorry: closed"])
def test_a_colon_in_a_text_is_told(tmp_path, route):
    file = tmp_path / "gateway.yml"
    file.write_text(GOOD + "  - " + route + "\n")
    done = run("-t", str(file))
    assert done.returncode == 2 and "quote a text" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="makes a network of its own")
def test_a_port_without_the_right_to_it_says_what_helps():
    folder = tempfile.mkdtemp(prefix="gateway-")  # a user without rights has to reach it
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, "gateway.yml"), "w") as file:
        file.write(GOOD + "listen: 80\nadmin: off\n")
    done = subprocess.run(["unshare", "--net", "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           BINARY, file.name], capture_output=True, text=True, cwd="/")
    shutil.rmtree(folder)
    assert done.returncode == 1, done.stderr
    for way in ("listen: 8080", "cap_net_bind_service", "ip_unprivileged_port_start=80"):
        assert way in done.stderr


def test_a_taken_port_is_told(gateway, upstream, tmp_path):
    behind = upstream()
    file = tmp_path / "gateway.yml"
    file.write_text(json.dumps({"listen": f"127.0.0.1:{free_port()}", "admin": f"127.0.0.1:{behind.port}",
                                "upstreams": {"a": {"url": behind.url}}, "routes": [{"path": "/", "upstream": "a"}]}))
    done = run("--config", str(file))
    assert done.returncode == 1 and str(behind.port) in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_second_gateway_takes_no_part_of_the_traffic(gateway, upstream, address):
    """The kernel would let one user's processes share a port."""
    behind = upstream()
    started = gateway(behind)
    port = started.port
    started.configure(behind, listen=[free_port(), f"{address}:{port}"], admin="off")
    done = run("--config", started.file)
    assert done.returncode == 1 and f"can't listen on {address}:{port}: Address already in use" in done.stderr


def test_a_port_that_was_let_go_of_is_free_at_once(gateway, upstream, client):
    """In spite of its remaining connections: the gateway closes some first, whose ports then wait for a minute."""
    behind = upstream()
    first = gateway(behind)
    connection = client(first)
    connection.request(headers={"Connection": "close"})
    assert connection.is_closed()
    connection.close()
    first.ask_admin("/livez")
    first.stop()
    second = gateway(behind, listen=[f"127.0.0.1:{first.port}", f"0.0.0.0:{first.port}"], admin=f"127.0.0.1:{first.admin_port}")
    second.port = first.port
    assert client(second).request(headers={"Connection": "close"}).status == 200


@pytest.mark.parametrize("level", ["error", "debug"])
def test_the_ready_line_names_the_listeners(gateway, upstream, level):
    started = gateway(upstream(), log_level=level)
    (ready,) = [line for line in started.errors if "ready" in line]
    assert f"127.0.0.1:{started.port}" in ready and f"127.0.0.1:{started.admin_port}" in ready
