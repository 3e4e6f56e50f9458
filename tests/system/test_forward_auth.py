"""auth.forward: another upstream says whether a request may pass. Without its word nobody passes."""
import json
import socket
import threading

import pytest

from harness import Client, closing, failing, resetting, until
from process import run
from test_breaker_abuse import send_when_half_open
from test_endpoints import ONE, TWO, Service, names_itself

SPELLINGS = ["X-User", "x-user", "X_User", "x.user", "X-User_", "X_USER"]


def verifier(status=200, headers=(), body=b""):
    def handle(connection, request):
        connection.reply(status, body, headers)
    return handle


def start(gateway, auth, behind, keys=None, upstream_keys=None, **route):
    forward = {"upstream": "auth", "path": "/verify", **(keys or {})}
    return gateway({"patient": behind.url, "auth": {"url": auth.url, "retry": {"attempts": 0}, **(upstream_keys or {})}},
                   [{"path": "/", "upstream": "patient", "auth": {"forward": forward}, **route}])


@pytest.mark.parametrize("target, comes_as", [("http://hospital.example", "/"), ("http://hospital.example?a=b", "/?a=b")])
def test_an_absolute_target_without_a_path_is_kept_meanwhile(gateway, upstream, client, target, comes_as):
    behind = upstream()
    assert client(start(gateway, upstream(verifier(204)), behind)).request(target=target).status == 200
    assert behind.requests[0].target == comes_as


def test_2xx_lets_the_request_pass_with_what_the_service_says(gateway, upstream, client):
    auth = upstream(verifier(204, [("X-User", "doctor"), ("X-Role", "a"), ("X-Role", "b"), ("X-Other", "no"), ("Set-Cookie", "no=1")]))
    behind = upstream()
    started = start(gateway, auth, behind, {"request_headers": ["Authorization", "X-Token"], "response_headers": ["X-User", "X-Role", "X-None"]})
    response = client(started).request("POST", "/patient/./7?q=1", [("Authorization", "Bearer x"), ("X-Token", "y"), ("X-Else", "z"),
                                                                    ("Cookie", "c=1"), ("X-Forwarded-Uri", "/evil")], b"body")
    assert response.status == 200 and response.get("Set-Cookie") is None
    asked, = auth.requests
    assert (asked.method, asked.target, asked.body) == ("GET", "/verify", b"")
    assert asked.get("Host") == auth.url[7:]
    assert asked.get("Authorization") == "Bearer x" and asked.get("X-Token") == "y"
    assert not {"x-else", "cookie", "content-length", "transfer-encoding", "connection"} & set(asked.names())
    assert asked.get("X-Forwarded-Method") == "POST" and asked.get("X-Forwarded-Host") == "hospital.example"
    assert asked.get("X-Forwarded-Uri") == "/patient/7?q=1" and asked.get("X-Forwarded-For") == "127.0.0.1"
    assert asked.get("X-Forwarded-Proto") == "http"
    request, = behind.requests
    assert request.body == b"body" and request.target == "/patient/7?q=1"
    assert request.get("X-User") == "doctor" and request.get("X-Role") == "a, b"
    assert request.get("X-Other") is None and request.get("X-None") is None
    assert request.get("X-Request-Id") == asked.get("X-Request-Id")
    assert request.get("Authorization") == "Bearer x"


def test_the_path_is_asked_for_as_it_is_written(gateway, upstream, client):
    auth = upstream(verifier())
    assert client(start(gateway, auth, upstream(), {"path": "/verify/"})).request().status == 200
    assert auth.requests[0].target == "/verify/"


@pytest.mark.parametrize("body", [False, True])
@pytest.mark.parametrize("name", SPELLINGS)
def test_a_client_can_not_say_what_the_service_should(gateway, upstream, client, name, body):
    auth, behind = upstream(verifier()), upstream()
    started = start(gateway, auth, behind, {"response_headers": ["X-User"]})
    headers = [(name, "admin"), ("Connection", "X-Other")]
    if body:
        connection = client(started)
        connection.ask("POST", headers=[*headers, ("Transfer-Encoding", "chunked"), ("Trailer", name)],
                       body=f"2\r\nab\r\n0\r\n{name}: admin\r\n\r\n".encode())
        assert connection.answer().status == 200
    else:
        assert client(started).request(headers=headers).status == 200
    request, = behind.requests
    assert b"admin" not in request.raw
    assert request.trailers == [] and (not body or request.body == b"ab")


def test_trailers_that_come_later_do_not_pass_either(gateway, upstream, client):
    auth, behind = upstream(verifier()), upstream()
    connection = client(start(gateway, auth, behind, {"response_headers": ["X-User"]}))
    connection.ask("POST", headers=[("Transfer-Encoding", "chunked")], body=b"2\r\nab\r\n")
    auth.wait_for(1)
    connection.send(b"0\r\nX-User: admin\r\n\r\n")
    assert connection.answer().status == 200
    assert behind.requests[0].body == b"ab" and behind.requests[0].trailers == []


@pytest.mark.parametrize("status, outcome, headers", [
    (401, "unauthorized", [("WWW-Authenticate", 'Bearer realm="x"'), ("X-Why", "expired"), ("Connection", "X-Hop"), ("X-Hop", "1"),
                           ("Keep-Alive", "timeout=9"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
    (403, "forbidden", []), (302, "unauthorized", [("Location", "https://login.example/?to=x")]), (307, "unauthorized", [("Location", "/login")]),
    (429, "forbidden", [("Retry-After", "7")]), (404, "forbidden", [])])
def test_a_refusal_is_the_clients_answer(gateway, upstream, client, status, outcome, headers):
    auth, behind = upstream(verifier(status, [("Content-Type", "text/html"), *headers], b"<p>no</p>")), upstream()
    started = start(gateway, auth, behind)
    connection = client(started)
    for _ in range(2):
        response = connection.request("POST", body=b"x")
        assert response.status == status and response.body == b"<p>no</p>" and response.get("Content-Type") == "text/html"
        for name, value in headers:
            if name in ("Connection", "X-Hop", "Keep-Alive"):
                assert response.get(name) is None
            else:
                assert value in response.all(name)
        assert connection.request("HEAD").status == status
    assert behind.requests == []
    lines = started.log(4)
    assert {line["outcome"] for line in lines} == {outcome} and {line["status"] for line in lines} == {status}
    assert {line["attempts"] for line in lines} == {0}
    metrics = started.metrics()
    assert metrics.sum("gateway_requests_total", outcome=outcome) == 4
    assert len(auth.connections) == 1  # used again and again


def garbage(connection, request):
    connection.send(b"hello\r\n\r\n")


def endless(connection, request):
    connection.send(b"HTTP/1.1 401 no\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100000)


def large(connection, request):
    connection.reply(401, b"no", [("X-Large", "x" * 10000)])


def upgraded(connection, request):
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")


@pytest.mark.parametrize("handler", [closing, resetting, garbage, endless, large, upgraded, verifier(500), verifier(503), verifier(304),
                                     verifier(300), verifier(407)])
def test_no_answer_lets_nobody_through(gateway, upstream, client, handler):
    auth, behind = upstream(handler), upstream()
    started = start(gateway, auth, behind, upstream_keys={"breaker": {"minimum_calls": 1000}})
    response = client(started).request()
    assert response.status == 503 and response.get("X-Large") is None
    assert behind.requests == []
    line, = started.log(1)
    assert (line["outcome"], line["attempts"]) == ("auth_unavailable", 0) and "auth" in line["reason"]


def test_a_dead_service_lets_nobody_through_and_its_breaker_opens(gateway, upstream, client):
    auth, behind = upstream(), upstream()
    started = start(gateway, auth, behind, upstream_keys={"breaker": {"minimum_calls": 3, "open_for": "60s"}})
    auth.stop()
    connection = client(started)
    for _ in range(3):
        assert connection.request().status == 503
    assert connection.request().status == 503
    assert behind.requests == []
    reasons = [line["reason"] for line in started.log(4)]
    assert "can't be reached" in reasons[0] and "breaker is open" in reasons[3]
    state = {labels["name"]: labels["state"] for labels, value in started.metrics().find("resilience4j_circuitbreaker_state") if value == 1}
    assert state == {"patient": "closed", "auth": "open"}


def test_a_slow_service_is_not_waited_for(gateway, upstream, client):
    auth, behind = upstream(lambda connection, request: None), upstream()
    started = start(gateway, auth, behind, upstream_keys={"timeouts": {"response": "200ms"}})
    assert client(started).request().status == 503
    assert "in time" in started.log(1)[0]["reason"] and behind.requests == []
    auth.handler = lambda connection, request: connection.send(b"HTTP/1.1 401 no\r\nContent-Length: 5\r\n\r\nno")
    assert client(started).request().status == 503


def test_a_client_that_leaves_while_the_service_is_asked(gateway, upstream, client):
    auth, behind = upstream(lambda connection, request: None), upstream()
    started = start(gateway, auth, behind)
    connection = client(started)
    connection.ask()
    auth.wait_for(1)
    connection.reset()
    assert started.log(1)[0]["outcome"] == "client_aborted"
    until(lambda: auth.connections[0].socket.fileno() == -1, "the service hears of it")
    until(lambda: started.metrics().sum("gateway_upstream_in_flight", upstream="auth") == 0, "nothing in flight")
    assert behind.requests == []


def test_clients_that_leave_do_not_keep_its_breaker_half_open(gateway, upstream):
    """A client that has left while it was a probe takes no probe's place any more: those of others are free."""
    released = threading.Event()

    def verify(connection, request):
        if request.get("X-Forwarded-Uri") == "/slow":
            released.wait(30)
        connection.reply(204)

    auth, behind = upstream(failing), upstream()
    started = start(gateway, auth, behind, upstream_keys={"breaker": {"minimum_calls": 3, "open_for": "300ms", "half_open_calls": 3,
                                                                      "half_open_timeout": "60s"}})
    for _ in range(3):
        Client(started.port).request()
    until(lambda: started.breaker("auth")["state"] == "OPEN", "open")
    auth.handler = verify

    def send():
        connection = Client(started.port, source="127.0.0.2")
        connection.ask(target="/slow")
        return connection

    for connection in send_when_half_open(auth, send):
        connection.reset()
    until(lambda: [line["outcome"] for line in started.log()].count("client_aborted") >= 3, "they are gone")
    again = send_when_half_open(auth, send)
    for _ in range(3):
        assert Client(started.port).request().status == 200
    until(lambda: started.breaker("auth")["state"] == "CLOSED", "the verdict")
    released.set()
    assert all(connection.answer().status == 200 for connection in again)


@pytest.fixture
def crowded(gateway, upstream):
    """(a gateway, the authentication service with room for one question, the service behind, what lets the former answer)"""
    may_answer, auth, behind = threading.Event(), upstream(), upstream()
    auth.handler = lambda connection, request: (may_answer.wait(10), connection.reply())
    return start(gateway, auth, behind, upstream_keys={"bulkhead": {"max_in_flight": 1}}), auth, behind, may_answer


def test_a_client_that_leaves_frees_no_place_before_the_service_is_done(crowded, client):
    started, auth, behind, may_answer = crowded
    connection = client(started)
    connection.ask()
    auth.wait_for(1)
    connection.reset()
    assert started.log(1)[0]["outcome"] == "client_aborted"
    assert client(started).request().status == 503 and "too many" in started.log(2)[1]["reason"]
    may_answer.set()
    until(lambda: client(started).request().status == 200, "the place is free")
    assert len(behind.requests) == 1


def test_a_body_waits_for_the_answer(gateway, upstream, client):
    may_answer, auth, behind = threading.Event(), upstream(), upstream()
    auth.handler = lambda connection, request: (may_answer.wait(10), connection.reply())
    connection = client(start(gateway, auth, behind))
    body = bytes(range(256)) * 4096
    connection.ask("POST", headers={"Content-Length": len(body)}, body=body[:1000])
    auth.wait_for(1)
    sender = threading.Thread(target=connection.send, args=(body[1000:],))
    sender.start()
    may_answer.set()
    assert connection.answer().status == 200
    sender.join()
    assert behind.requests[0].body == body


def test_requests_in_a_row_are_each_asked_for(gateway, upstream, client):
    auth, behind = upstream(), upstream()
    auth.handler = lambda connection, request: connection.reply(200 if request.get("Authorization") else 401)
    connection = client(start(gateway, auth, behind))
    connection.send("".join(f"GET /{number} HTTP/1.1\r\nHost: a\r\n{'Authorization: x' if number % 2 else 'X-A: b'}\r\n\r\n" for number in range(10)))
    assert [connection.answer().status for _ in range(10)] == [401, 200] * 5
    assert [request.target for request in behind.requests] == ["/1", "/3", "/5", "/7", "/9"]


def test_upgrades_are_asked_for_too(gateway, upstream, client):
    auth = upstream()
    auth.handler = lambda connection, request: connection.reply(200 if request.get("Authorization") else 401)
    behind = upstream(lambda connection, request: connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"))
    started = start(gateway, auth, behind)
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
    assert client(started).request(headers=upgrade).status == 401
    assert behind.requests == []
    connection = client(started)
    assert connection.request(headers=[*upgrade, ("Authorization", "x")]).status == 101
    assert connection.read(5) == b"hello"
    for asked in auth.requests:
        assert not {"connection", "upgrade"} & set(asked.names())
    assert behind.requests[0].get("Upgrade") == "websocket"


def test_an_idle_connection_that_has_ended_is_no_failure(gateway, upstream, client):
    auth, behind = upstream(), upstream()
    started = start(gateway, auth, behind)
    connection = client(started)
    assert connection.request().status == 200
    auth.handler = lambda end, request: end.close() if end.number == 0 else end.reply()
    assert connection.request().status == 200
    assert len(auth.connections) == 2


@pytest.fixture
def replicas(gateway, upstream, client, dns):
    """replicas(the first's handler, **the service's keys): an authentication service of two replicas, which are asked by turns, and of
    which the second lets all pass."""
    def start(handler, **keys):
        service = Service(upstream, dns)
        service.start(ONE, handler=handler)
        service.start(TWO)
        service.announce(ONE, TWO)
        auth = {"url": f"http://tasks.patient:{service.port}", "balance": "round_robin", **keys}
        started = gateway({"patient": upstream().url, "auth": auth},
                          [{"path": "/", "upstream": "patient", "auth": {"forward": {"upstream": "auth", "path": "/verify"}}}],
                          dns={"servers": [f"127.0.0.1:{service.dns.port}"], "refresh": "100ms", "timeout": "5s"}, workers=1)
        return service, started, client(started)

    return start


@pytest.mark.parametrize("handler, words", [(failing, "reported a failure"), (resetting, "closed the connection"), (None, "could not connect")])
def test_a_replica_that_fails_is_ejected_and_people_are_told(replicas, handler, words):
    service, started, connection = replicas(handler or names_itself, breaker="off", retry={"attempts": 0},
                                            ejection={"consecutive_failures": 2, "for": "60s"})
    if handler is None:
        service.replicas[ONE].stop()
    until(lambda: connection.request().status == 200 and started.has_said(f"upstream auth: endpoint {ONE}:"), "ejection")
    event, = [event for event in started.admin("/cluster/self")["events"] if event["kind"] == "ejection"]
    assert event["upstream"] == "auth" and ONE in event["text"] and words in event["text"]
    before = len(service.replicas[ONE].requests)
    assert [connection.request().status for _ in range(10)] == [200] * 10 and len(service.replicas[ONE].requests) == before


@pytest.mark.parametrize("handler", [resetting, closing, None])
def test_a_replica_that_fails_is_made_up_for_by_another(replicas, handler):
    service, started, connection = replicas(handler or names_itself, breaker="off", ejection="off", retry={"attempts": 1, "budget": "100%"})
    if handler is None:
        service.replicas[ONE].stop()
    assert [connection.request().status for _ in range(10)] == [200] * 10
    assert len(service.replicas[TWO].requests) == 10
    failures = {one["address"].split(":")[0]: one["failures"] for one in started.admin("/upstreams/auth")["endpoints"]}
    assert failures[ONE] > 0 and failures[TWO] == 0


def fill(listener):
    """No more connections are completed than the kernel's queue holds."""
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return fillers


@pytest.fixture
def full_listener():
    """(address, port) of a listener that completes no connection any more"""
    with socket.create_server((ONE, 0), backlog=0) as listener:
        fillers = fill(listener)
        yield listener.getsockname()
        for filler in fillers:
            filler.close()


def test_a_replica_that_takes_no_connection_is_made_up_for_by_another(replicas):
    """It may be gone, with its container: the gateway asks DNS, and another replica."""
    service, started, connection = replicas(names_itself, breaker="off", ejection="off", retry={"attempts": 1}, timeouts={"connect": "200ms"})
    service.replicas[ONE].stop()
    with socket.create_server((ONE, service.port), backlog=0) as listener:
        fillers = fill(listener)
        assert [connection.request().status for _ in range(4)] == [200] * 4
        one, = [one for one in started.admin("/upstreams/auth")["endpoints"] if one["address"].startswith(ONE)]
        assert one["failures"] > 0 and one["lastError"] == "connecting took too long"
        for filler in fillers:
            filler.close()


def test_the_only_replica_is_connected_to_once(gateway, upstream, client, full_listener):
    auth = {"url": f"http://{full_listener[0]}:{full_listener[1]}", "timeouts": {"connect": "100ms"}, "retry": {"attempts": 3}}
    started = gateway({"patient": upstream().url, "auth": auth},
                      [{"path": "/", "upstream": "patient", "auth": {"forward": {"upstream": "auth", "path": "/verify"}}}])
    assert client(started).request().status == 503
    one, = started.admin("/upstreams/auth")["endpoints"]
    assert one["failures"] == 1 and one["lastError"] == "connecting took too long"


def test_calls_are_repeated_within_the_budget(replicas):
    """Three times a second whatever the budget; a call that was not sent costs nothing of it."""
    _, started, connection = replicas(resetting, breaker="off", ejection="off", retry={"attempts": 1, "budget": "0%"})
    statuses = [connection.request().status for _ in range(400)]
    refused = started.metrics().sum("gateway_retry_budget_refused_total", upstream="auth")
    assert statuses.count(503) == refused > 0 and statuses.count(200) == 400 - refused


def test_a_failure_that_the_service_reports_is_not_asked_about_again(replicas):
    service, _, connection = replicas(failing, breaker="off", ejection="off", retry={"attempts": 1})
    statuses = [connection.request().status for _ in range(10)]
    assert statuses.count(503) == 5 == len(service.replicas[ONE].requests) and statuses.count(200) == 5 == len(service.replicas[TWO].requests)


def test_a_full_bulkhead_lets_nobody_through(crowded, client):
    started, auth, _, may_answer = crowded
    first = client(started)
    first.ask()
    auth.wait_for(1)
    assert client(started).request().status == 503
    may_answer.set()
    assert first.answer().status == 200
    assert "too many" in next(line for line in started.log(2) if line["status"] == 503)["reason"]


def test_cors_comes_before_and_is_on_refusals(gateway, upstream, client):
    auth = upstream(verifier(401, [("WWW-Authenticate", "Bearer"), ("Access-Control-Allow-Origin", "https://evil.example")]))
    started = start(gateway, auth, upstream(), cors={"origins": ["https://app.example"]})
    connection = client(started)
    response = connection.request("OPTIONS", headers=[("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")])
    assert response.status == 204 and auth.requests == []
    response = connection.request(headers={"Origin": "https://app.example"})
    assert response.status == 401 and response.get("Access-Control-Allow-Origin") == "https://app.example"
    assert response.get("WWW-Authenticate") == "Bearer"


def test_only_2xx_counts_whatever_the_body_says(gateway, upstream, client):
    def handle(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    auth, behind = upstream(handle), upstream()
    started = start(gateway, auth, behind)
    for _ in range(3):  # a body that never comes is not waited for, nor is its connection used again
        assert client(started).request().status == 200
    assert len(auth.connections) == 3


@pytest.mark.parametrize("keys, words", [({"upstream": "nobody"}, "no upstream"), ({"response_headers": ["X-Forwarded-For"]}, "itself manages"),
                                         ({"response_headers": ["Transfer_Encoding"]}, "itself manages"), ({"request_headers": ["Connection"]}, "itself manages"),
                                         ({"path": None}, "no path"), ({"fail_open": "on"}, "unknown key")])
def test_what_is_wrong_is_said(tmp_path, keys, words):
    forward = {key: value for key, value in {"upstream": "b", "path": "/verify", **keys}.items() if value is not None}
    file = tmp_path / "gateway.yml"
    file.write_text(json.dumps({"upstreams": {"a": {"url": "http://tasks.a:1"}, "b": {"url": "http://tasks.b:1"}},
                                "routes": [{"path": "/", "upstream": "a", "auth": {"forward": forward}}]}))
    checked = run("--check", "--config", str(file))
    assert checked.returncode == 2 and words in checked.stdout + checked.stderr


def test_a_slow_authentication_is_no_fault_of_the_upstream(gateway, upstream, client):
    """It used up timeouts.total, so the request does not go on."""
    def slow(connection, request):
        threading.Event().wait(0.6)
        connection.reply(204)

    behind = upstream()
    started = gateway({"patient": {"url": behind.url, "timeouts": {"response": "500ms", "total": "500ms"}, "breaker": {"minimum_calls": 1}},
                       "auth": upstream(slow).url},
                      [{"path": "/", "upstream": "patient", "auth": {"forward": {"upstream": "auth", "path": "/verify"}}}])
    assert client(started).request().status == 503
    line = started.log(1)[0]
    assert (line["outcome"], line["reason"]) == ("overloaded", "timeouts.total is over")
    assert not behind.requests and started.breaker()["state"] == "CLOSED"


def test_an_upstream_that_hangs_for_most_of_the_time_is_at_fault(gateway, upstream, client):
    """Though the authentication took a part of timeouts.total: otherwise no request would ever open the breaker."""
    release = threading.Event()

    def late(connection, request):
        threading.Event().wait(0.3)
        connection.reply(204)

    started = gateway({"patient": {"url": upstream(lambda connection, request: release.wait(60)).url,
                                   "timeouts": {"response": "2s", "total": "2s"}, "breaker": {"minimum_calls": 1}},
                       "auth": upstream(late).url},
                      [{"path": "/", "upstream": "patient", "auth": {"forward": {"upstream": "auth", "path": "/verify"}}}])
    assert client(started).request().status == 503
    release.set()
    assert started.log(1)[0]["outcome"] == "response_timeout" and started.breaker()["state"] == "OPEN"
