"""fallback.upstream: another upstream answers where the fallback would, with a breaker of its own, and only what may be sent again."""
import threading

import pytest

from harness import Client, free_port, plain, resetting, until

FALLBACK = "patient information is away\n"
QUICK = {"retry": {"attempts": 0}, "ejection": "off"}


@pytest.fixture
def serve(gateway, upstream, client):
    """(gateway, client) with /patient at `first` and fallback.upstream at `spare`; more keys of the two, and of the route."""
    def start(first, spare, settings=None, spare_settings=None, route=None, **fallback):
        first = first if isinstance(first, str) else first.url
        spare = spare if isinstance(spare, str) else spare.url
        started = gateway({"patient": {"url": first, **QUICK, **(settings or {})}, "spare": {"url": spare, **QUICK, **(spare_settings or {})}},
                          [{"path": "/patient", "upstream": "patient", "fallback": {"upstream": "spare", "body": FALLBACK, **fallback},
                            **(route or {})}])
        return started, client(started)
    return start


def nowhere():
    return f"http://127.0.0.1:{free_port()}"


def says(text):
    return lambda connection, request: connection.reply(body=text.encode())


def fails(connection, request):
    connection.reply(500, b"broken")


def test_the_other_upstream_answers(serve, upstream):
    spare = upstream(says("spare"))
    started, connection = serve(nowhere(), spare)
    response = connection.request(target="/patient/7?x=1", headers={"X-Y": "z"})
    assert (response.status, response.body) == (200, b"spare") and response.get("Proxy-Status") is None
    assert spare.requests[0].target == "/patient/7?x=1" and spare.requests[0].get("X-Y") == "z"
    line = started.log(1)[0]
    assert (line["upstream"], line["failed_upstream"], line["outcome"], line["status"], line["attempts"]) == ("spare", "patient", "answered", 200, 2)


@pytest.mark.parametrize("target, comes_as", [("http://hospital.example", "/"), ("http://hospital.example?a=b", "/?a=b"),
                                               ("HTTP://hospital.example/x", "/x")])
def test_an_absolute_target_without_a_path_is_kept_for_the_other_upstream(gateway, upstream, client, target, comes_as):
    spare = upstream(says("spare"))
    started = gateway({"patient": {"url": nowhere(), **QUICK}, "spare": {"url": spare.url, **QUICK}},
                      [{"path": "/", "upstream": "patient", "fallback": {"upstream": "spare"}}])
    assert client(started).request(target=target).body == b"spare"
    assert spare.requests[0].target == comes_as


def test_nobody_answers(serve):
    started, connection = serve(nowhere(), nowhere())
    for number in range(3):
        response = connection.request(target="/patient")
        assert (response.status, response.body) == (503, FALLBACK.encode())
        line = started.log(number + 1)[number]
        assert (line["upstream"], line["failed_upstream"], line["outcome"]) == ("spare", "patient", "connect_failed")


def test_each_has_its_own_breaker(serve, upstream):
    first, spare = upstream(resetting), upstream(says("spare"))
    quick = {"breaker": {"minimum_calls": 3, "window": "60s", "open_for": "60s"}}
    started, connection = serve(first, spare, quick, quick)
    for _ in range(10):
        assert connection.request(target="/patient").body == b"spare"
    assert len(first.requests) == 3 and len(spare.requests) == 10
    assert [line["attempts"] for line in started.log(10)] == [2, 2, 2] + 7 * [1]
    spare.handler = fails
    for _ in range(10):
        connection.request(target="/patient")
    until(lambda: "OPEN" in started.ask_admin("/actuator/circuitbreakers")[2], "the breaker")
    before = len(spare.requests)
    response = connection.request(target="/patient")
    assert (response.status, response.body) == (503, FALLBACK.encode()) and int(response.get("Retry-After")) >= 1
    assert len(spare.requests) == before and len(first.requests) == 3
    line = started.log(21)[20]
    assert (line["outcome"], line["upstream"], line["failed_upstream"], line["endpoint"]) == ("breaker_open", "spare", "patient", None)


def test_the_calls_that_failed_before_it_are_counted(serve, upstream):
    first, spare = upstream(resetting), upstream(says("spare"))
    started, connection = serve(first, spare, {"breaker": {"minimum_calls": 3, "window": "60s", "open_for": "60s"}})
    for _ in range(10):
        connection.request(target="/patient")
    started.log(10)
    metrics = started.metrics()

    def of(name, upstream, **labels):
        key = "name" if name.startswith("resilience4j") else "key"
        return metrics.sum(name, **{key: upstream}, **labels)
    assert of("resilience4j_circuitbreaker_calls_seconds_count", "patient", kind="failed") == 3
    assert of("hystrix_execution_total", "patient", event="failure") == 3
    assert of("hystrix_execution_total", "patient", event="short_circuited") == 7
    assert of("hystrix_execution_total", "patient", event="fallback_success") == 10
    assert of("hystrix_execution_terminal_total", "patient") == of("hystrix_execution_terminal_total", "spare") == 10
    assert of("resilience4j_retry_calls_total", "patient", kind="failed_without_retry") == 3
    assert of("resilience4j_retry_calls_total", "spare", kind="successful_without_retry") == 10
    # As requests they count once, for the upstream that answered.
    for name in ("http_server_requests_seconds_count", "spring_cloud_gateway_requests_seconds_count", "gateway_requests_total"):
        assert metrics.sum(name) == 10, name
    assert metrics.sum("gateway_requests_total", upstream="patient") == 0
    assert metrics.sum("gateway_retries_total") == 0


@pytest.mark.parametrize("body", [b"", b"x", bytes(60000)], ids=["empty", "a byte", "60000 bytes"])
def test_what_may_have_been_acted_upon_is_not_sent_again(serve, upstream, body):
    first, spare = upstream(resetting), upstream(says("spare"))
    started, connection = serve(first, spare)
    response = connection.request("POST", "/patient", body=body)
    assert (response.status, response.body) == (503, FALLBACK.encode())
    assert len(first.requests) == 1 and not spare.requests
    line = started.log(1)[0]
    assert line["upstream"] == "patient" and "failed_upstream" not in line
    assert connection.request("PUT", "/patient", body=body).body == b"spare"
    assert spare.requests[0].body == body


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [0, 10, 60000, 300000])
def test_what_was_not_sent_goes_with_its_body(serve, upstream, size, chunked):
    body = bytes(range(250)) * (size // 250) + bytes(size % 250)
    spare = upstream(says("spare"))
    started, connection = serve(nowhere(), spare, {"breaker": {"minimum_calls": 2, "window": "60s", "open_for": "60s"}})
    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
    sent = (b"%x\r\n" % size + body + b"\r\n" if size else b"") + b"0\r\n\r\n" if chunked else body
    for number in range(4):  # the first two find no endpoint that takes them, the others an open breaker
        assert connection.request("POST", "/patient", headers=headers, body=sent).body == b"spare"
        assert spare.requests[number].body == body
    assert [line["attempts"] for line in started.log(4)] == [2, 2, 1, 1]


def test_answers_that_are_replaced(serve, upstream):
    first, spare = upstream(fails), upstream(says("spare"))
    started, connection = serve(first, spare, on_statuses=[500])
    assert connection.request("GET", "/patient").body == b"spare"
    response = connection.request("POST", "/patient", body=b"x")
    assert (response.status, response.body) == (503, FALLBACK.encode())
    assert [line["outcome"] for line in started.log(2)] == ["answered", "replaced"]
    spare.handler = fails
    response = connection.request("GET", "/patient")
    assert (response.status, response.body) == (503, FALLBACK.encode()) and "received-status=500" in response.get("Proxy-Status")
    assert started.log(3)[2]["upstream"] == "spare"


def test_what_the_route_does_to_a_request_it_does_for_both(serve, upstream):
    spare = upstream(says("spare"))
    started, connection = serve(nowhere(), spare, route={"rewrite": {"regex": "^/patient/(?<rest>.*)", "replacement": "/v2/${rest}"},
                                                         "request_headers": {"set": {"X-Set": "1"}},
                                                         "response_headers": {"set": {"X-Got": "2"}}})
    response = connection.request(target="/patient/a%20b?c")
    assert response.body == b"spare" and response.get("X-Got") == "2"
    assert spare.requests[0].target == "/v2/a%20b?c" and spare.requests[0].get("X-Set") == "1"


def test_places_are_given_back(serve, upstream):
    spare = upstream(says("spare"))
    started, connection = serve(nowhere(), spare, {"bulkhead": {"max_in_flight": 1, "max_waiting": 0}, "breaker": "off"},
                                {"bulkhead": {"max_in_flight": 1, "max_waiting": 0}})
    for _ in range(20):
        assert connection.request(target="/patient").body == b"spare"
    assert {line["outcome"] for line in started.log(20)} == {"answered"}
    metrics = started.metrics()
    assert [value for _, value in metrics.find("gateway_bulkhead_in_flight")] == [0, 0]


def test_a_full_bulkhead(serve, upstream):
    """The first upstream is busy with one request; the other takes what it has no place for."""
    def held(connection, request):
        until(lambda: spare.requests, "the second request")
        plain(connection, request)

    first, spare = upstream(held), upstream(says("spare"))
    started, connection = serve(first, spare, {"bulkhead": {"max_in_flight": 1, "max_waiting": 0}})
    connection.ask(target="/patient")
    first.wait_for(1)
    second = Client(started.port)
    assert second.request(target="/patient").body == b"spare"
    assert connection.answer().status == 200
    second.close()


@pytest.mark.parametrize("timeouts", [{"response": "400ms"}, {"response": "400ms", "total": "400ms"}])
def test_the_other_upstream_has_a_time_of_its_own(serve, upstream, timeouts):
    """What the first one spent is no fault of the other, and does not keep the gateway from asking it."""
    release = threading.Event()

    def spare(connection, request):
        threading.Event().wait(0.1)
        connection.reply(body=b"spare")

    started, connection = serve(upstream(lambda connection, request: release.wait(60)), upstream(spare),
                                {"timeouts": timeouts}, {"timeouts": {"response": "300ms", "total": "300ms"}})
    response = connection.request(target="/patient")
    release.set()
    assert (response.status, response.body) == (200, b"spare")
    assert started.log(1)[0]["outcome"] == "answered" and started.breaker("spare")["failedCalls"] == 0
