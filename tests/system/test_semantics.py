"""The rules of RFC 9110 for an intermediary beyond framing: protocols, interim responses, methods, the next hop's own words."""
import re

import pytest

from harness import free_port
from process import run
from test_endpoints import ONE, TWO, serve, service  # noqa: F401


@pytest.mark.parametrize("offered,chosen", [("websocket", "other"), ("websocket, x/1", "x/2"), ("websocket", "websocket, other")])
def test_nobody_changes_to_a_protocol_that_was_not_offered(gateway, upstream, client, offered, chosen):
    behind = upstream(lambda connection, request: connection.send(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {chosen}\r\nConnection: Upgrade\r\n\r\n"))
    started = gateway(behind)
    response = client(started).request(headers={"Connection": "upgrade", "Upgrade": offered})
    assert response.status == 502 and b"not offered" in response.body
    assert started.log(1)[0]["outcome"] == "response_invalid"


def test_a_426_says_what_it_wants(gateway, upstream, client):
    connection = client(gateway(upstream(lambda connection, request: connection.reply(
        426, headers=[("Upgrade", "websocket"), ("Connection", "Upgrade")]))))
    for _ in range(2):
        response = connection.request()
        assert (response.status, response.get("Upgrade"), response.get("Connection")) == (426, "websocket", "upgrade")
    response = connection.request(headers={"Connection": "close"})
    assert (response.get("Upgrade"), response.get("Connection")) == ("websocket", "close, upgrade")


def test_interim_responses_hide_what_the_route_hides(gateway, upstream, client):
    def hint(connection, request):
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Internal: 10.0.0.7\r\nServer: secret/1.0\r\n\r\n")
        connection.reply(headers=[("X-Internal", "10.0.0.7"), ("Server", "secret/1.0")])

    response = client(gateway(upstream(hint), [{"path": "/", "response_headers": {
        "remove": ["x-internal"], "set": {"Server": "hospital"}, "add": {"X-Added": "1"}}}])).request()
    assert response.interim[0].fields == [("Link", "</a.css>")]
    assert (response.get("X-Internal"), response.get("Server"), response.get("X-Added")) == (None, "hospital", "1")


def test_each_try_may_say_as_much_as_any(service, serve):  # noqa: F811
    """The first says 16 times to wait, and breaks off; so may the second, which answers."""
    answered = []

    def hint(connection, request):
        connection.send("HTTP/1.1 103 Early Hints\r\n\r\n" * 16)
        answered.append(request)
        if len(answered) == 1:
            connection.reply(503)
        else:
            connection.reply()

    service.start(ONE, TWO, handler=hint)
    started, connection = serve(ONE, TWO, retry={"attempts": 1, "budget": "100%"}, breaker="off", ejection="off")
    response = connection.request()
    assert response.status == 200 and len(response.interim) == 32
    assert started.log(1)[0]["attempts"] == 2


def says_408_to_the_idle(closing, numbers):
    """Answers once, then every request on the same connection with a 408, as a server does whose own 408 to an idle connection
    crosses the next request."""
    def answer(connection, request):
        numbers.append(connection.number)
        if numbers.count(connection.number) == 1:
            connection.reply()
        else:
            connection.reply(408, b"idle for too long", [("Connection", "close")] if closing else [])
    return answer


@pytest.mark.parametrize("closing", [True, False])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_408_that_was_said_to_an_idle_connection_ends_it(gateway, upstream, client, method, closing):
    numbers = []
    started = gateway(upstream(says_408_to_the_idle(closing, numbers)), workers=1)
    connection = client(started)
    for _ in range(3):
        assert connection.request(method, body=b"hello" if method == "PUT" else b"").status == 200
    assert numbers == [0, 0, 1, 1, 2] and started.breaker()["failedCalls"] == 0
    assert [(line["attempts"], line["outcome"]) for line in started.log(3)] == [(1, "answered"), (2, "answered"), (2, "answered")]


def test_a_408_is_no_answer_to_what_cannot_be_sent_again(gateway, upstream, client):
    """The fallback, as for any connection that is closed under a POST."""
    numbers = []
    started = gateway(upstream(says_408_to_the_idle(True, numbers)), workers=1)
    connection = client(started)
    assert [connection.request("POST", body=b"hello").status for _ in range(3)] == [200, 503, 200]
    assert numbers == [0, 0, 1]
    assert [line["outcome"] for line in started.log(3)] == ["answered", "stale_connection", "answered"]


def test_a_408_that_is_meant_reaches_its_client(gateway, upstream, client):
    """On a new connection, or on one that stays open, where it may be the service's own word about a POST."""
    connection = client(gateway(upstream(lambda connection, request: connection.reply(408, b"too slow")), workers=1))
    assert [connection.request(method).status for method in ("GET", "GET", "POST", "POST")] == [408] * 4


@pytest.mark.parametrize("said", ["timeout=0", "timeout=0, max=100", "max=100, timeout=0"])
def test_a_connection_that_will_not_wait_is_not_used_again(gateway, upstream, client, said):
    behind = upstream(lambda connection, request: connection.reply(headers=[("Keep-Alive", said)]))
    connection = client(gateway(behind, workers=1))
    assert [connection.request().status for _ in range(3)] == [200] * 3
    assert len(behind.connections) == 3


USUAL = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}


def allowed(response):
    return {method.strip() for method in response.get("Allow").split(",")}


def test_options_about_the_gateway_itself(gateway, upstream, client):
    started = gateway(upstream(), [{"path": "/", "methods": ["GET"]}])
    connection = client(started)
    for headers in ({}, {"Connection": "close"}):
        response = connection.request("OPTIONS", "*", headers)
        assert (response.status, allowed(response), response.get("Content-Length")) == (204, USUAL, None)
        assert response.get("Proxy-Status") is None and response.get("Date") is not None
    assert connection.is_closed()
    line = started.log(2)[0]
    assert (line["outcome"], line["status"], line["route"]) == ("answered_here", 204, None)
    assert started.metrics().sum("gateway_requests_total", outcome="answered_here") == 2
    assert started.metrics().sum("http_server_requests_seconds_count", status="204", method="OPTIONS") == 2


def test_options_that_may_go_no_further(gateway, upstream, client):
    behind = upstream()
    connection = client(gateway(behind, [{"path": "/a", "methods": ["GET", "OPTIONS"]}, {"path": "/b"}]))
    assert allowed(connection.request("OPTIONS", "/a", {"Max-Forwards": "0"})) == {"GET", "OPTIONS"}
    assert allowed(connection.request("OPTIONS", "/b", {"Max-Forwards": "0"})) == USUAL
    assert connection.request("OPTIONS", "/c", {"Max-Forwards": "0"}).status == 404
    assert behind.requests == []


def test_trace_is_for_routes_that_list_it(gateway, upstream, client):
    behind = upstream()
    connection = client(gateway(behind, [{"path": "/any"}, {"path": "/listed", "methods": ["GET", "TRACE"]},
                                         {"path": "/both"}, {"path": "/both", "methods": ["TRACE"]}]))
    response = connection.request("TRACE", "/any")
    assert (response.status, allowed(response)) == (405, USUAL)
    assert connection.request("TRACE", "/listed").status == 200
    assert connection.request("TRACE", "/both").status == 200
    assert allowed(connection.request("PUT", "/listed")) == {"GET", "TRACE"}
    assert connection.request("TRACE", "/listed", {"Max-Forwards": "7"}).status == 200
    assert behind.requests[-1].get("Max-Forwards") == "6"
    assert connection.request("TRACE", "/listed", {"Max-Forwards": "0"}).status == 405
    assert len(behind.requests) == 3


def test_a_gateway_that_is_its_own_upstream_says_so(gateway, client):
    """One request comes back once, and is answered then: no retry, no fallback, no growing crowd of them."""
    port = free_port()
    started = gateway({"patient": f"http://127.0.0.1:{port}"}, [{"path": "/", "fallback": "away"}], listen=f"127.0.0.1:{port}")
    started.port = port
    for method in ("GET", "POST"):
        response = client(started).request(method)
        assert response.status == 508 and "error=proxy_loop_detected" in response.get("Proxy-Status")
    lines = started.log(4)
    assert sorted(line["outcome"] for line in lines) == ["answered", "answered", "loop_detected", "loop_detected"]
    assert started.breaker()["failedCalls"] == 0


def test_two_gateways_in_a_row_are_no_loop(gateway, upstream, client):
    behind = upstream()
    second = gateway(behind)
    first = gateway(f"http://127.0.0.1:{second.port}")
    assert client(first).request(headers={"Via": "1.1 gateway, 1.1 gateway-0123456789abcdef"}).status == 200
    *before, one, other = ", ".join(behind.requests[-1].all("Via")).split(", ")
    assert before == ["1.1 gateway", "1.1 gateway-0123456789abcdef"] and one != other
    assert re.fullmatch(r"1\.1 gateway-[0-9a-f]{16}", one) and re.fullmatch(r"1\.1 gateway-[0-9a-f]{16}", other)


def test_a_loop_of_two_gateways_is_found(gateway, client):
    port = free_port()
    second = gateway(f"http://127.0.0.1:{port}")
    first = gateway(f"http://127.0.0.1:{second.port}", listen=f"127.0.0.1:{port}")
    first.port = port
    assert client(first).request().status == 508
    assert sorted(line["outcome"] for line in first.log(2)) == ["answered", "loop_detected"]
    assert [line["outcome"] for line in second.log(1)] == ["answered"]


@pytest.mark.parametrize("listen,url,leads_back", [
    ("8080", "http://127.0.0.1:8080", True), ("8080", "http://localhost:8080", True), ("8080", "http://127.1.2.3:8080", True),
    ("8080", "http://0.0.0.0:8080", True), ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
    ("127.0.0.1:8080", "http://0.0.0.0:8080", True), ("10.0.0.1:8080", "http://10.0.0.1:8080", True),
    ("[::]:8080", "http://[::1]:8080", True), ("[::1]:8080", "http://[::1]:8080", True),
    ("8080", "http://127.0.0.1:8082", False), ("8080", "http://10.0.0.1:8080", False), ("8080", "http://[::1]:8080", False),
    ("127.0.0.1:8080", "http://127.0.0.2:8080", False), ("10.0.0.1:8080", "http://127.0.0.1:8080", False),
    ("8080", "http://tasks.patient:8080", False),
])
def test_a_loop_that_the_file_shows(tmp_path, listen, url, leads_back):
    (tmp_path / "gateway.yml").write_text(f'''listen: "{listen}"
upstreams: {{ a: {{ url: "{url}" }} }}
routes: [ {{ path: /, upstream: a }} ]
''')
    done = run("--check", cwd=tmp_path)
    assert done.returncode == 0
    warning = 'gateway.yml:2:24: warning: url leads back to this gateway\'s own listener'
    assert (warning in done.stdout + done.stderr) == leads_back, done.stdout + done.stderr


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("target,status", [("/nowhere", 404), ("/a", 405), ("/down", 503), ("/broken", 502)])
def test_the_gateways_own_answers_are_whole(gateway, upstream, client, method, target, status):
    """Its errors and the fallback: with Date, type and length, the same for HEAD but for the body, and the connection stays."""
    broken = upstream(lambda connection, request: connection.send("nonsense\r\n\r\n"))
    started = gateway({"down": {"url": "http://127.0.0.1:1", "breaker": "off"}, "broken": {"url": broken, "breaker": "off"}}, [
        {"path": "/a", "methods": ["BREW"], "upstream": "down"}, {"path": "/down", "upstream": "down"},
        {"path": "/broken", "upstream": "broken"}])
    connection = client(started)
    for closing in ({}, {"Connection": "close"}):
        response = connection.request(method, target, closing)
        assert response.status == status and response.version == "HTTP/1.1"
        assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", response.get("Date"))
        assert response.get("Content-Type") == "text/plain; charset=utf-8" and response.get("Cache-Control") == "no-store"
        assert int(response.get("Content-Length")) == len(response.body) or (method == "HEAD" and response.body == b"")
        assert (response.get("Allow") is not None) == (status == 405)
        assert (response.get("Retry-After") is not None) == (status == 503)
        assert response.get("Proxy-Status").startswith("gateway; error=")
        assert response.get("Connection") == ("close" if closing else None)
    assert connection.is_closed()
