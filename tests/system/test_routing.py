"""Which upstream a request goes to, and as what."""
import pytest


@pytest.fixture
def services(upstream):
    """Two that say who they are."""
    return {name: upstream(lambda connection, request, name=name: connection.reply(body=name.encode()))
            for name in ("patient", "reception")}


def test_longest_prefix_on_a_segment_border(gateway, services, client):
    started = gateway(services, [
        {"path": "/", "upstream": "reception"},
        {"path": "/patient", "upstream": "patient"},
        {"path": "/patient/desk", "upstream": "reception"},
    ])
    connection = client(started)
    for target, who in [("/patient", b"patient"), ("/patient/", b"patient"), ("/patient/7", b"patient"),
                        ("/patient?x=1", b"patient"), ("/patients", b"reception"), ("/patient-7", b"reception"),
                        ("/patient/desk", b"reception"), ("/patient/desk/1", b"reception"),
                        ("/patient/desks", b"patient"), ("/", b"reception"), ("/PATIENT", b"reception")]:
        assert (target, connection.request(target=target).body) == (target, who)


def test_the_order_of_the_file_does_not_matter(gateway, services, client):
    connection = client(gateway(services, [{"path": "/a/b", "upstream": "patient"}, {"path": "/a", "upstream": "reception"}]))
    assert connection.request(target="/a/b/c").body == b"patient"
    assert connection.request(target="/a/c").body == b"reception"


def test_unknown_paths_are_404_and_the_connection_stays(gateway, services, client):
    started = gateway(services, [{"path": "/patient", "upstream": "patient"}])
    connection = client(started)
    for _ in range(2):
        assert connection.request(target="/elsewhere").status == 404
    assert connection.request(target="/patient").status == 200
    assert [line["outcome"] for line in started.log(3)] == ["not_found", "not_found", "answered"]
    assert started.log()[0]["route"] is None


REFUSED = (400, None, None)


@pytest.mark.parametrize("target,expected", [
    # what leads out of the prefix it has
    ("/patient/../reception", REFUSED), ("/patient/%2e%2e/reception", REFUSED), ("/patient/./.%2E/reception", REFUSED),
    ("/patient/x/../../reception", REFUSED), ("/patient//../reception", REFUSED), ("/patient/%2E%2E%2freception", REFUSED),
    ("/%70atient/../reception", REFUSED), ("//patient/../reception", REFUSED), ("/./patient/../reception", REFUSED),
    ("/reception/desk/../../patient", REFUSED), ("/patient/../../reception", REFUSED),
    # what some read as a way out
    ("/patient/..;/reception", REFUSED), ("/patient/..;x=y/reception", REFUSED), ("/patient/..%3b/reception", REFUSED),
    ("/patient%2f..%2freception", REFUSED), ("/patient/..%5creception", REFUSED), ("/patient\\..\\reception", REFUSED),
    # what is none, and arrives as it was matched
    ("/patient/a/../b", (200, "patient", "/patient/b")), ("/patient/..a/b", (200, "patient", "/patient/..a/b")),
    ("/patient/../patient/7", (200, "patient", "/patient/7")), ("/x/../patient/7", (200, "patient", "/patient/7")),
    ("//patient//7", (200, "patient", "/patient/7")), ("/%70atient/%37", (200, "patient", "/patient/7")),
    ("/patient/7;a=b", (200, "patient", "/patient/7;a=b")), ("/patient?/../reception", (200, "patient", "/patient?/../reception")),
    # what only looks like a route's
    ("/patient;a=b", (404, None, None)), ("/patient%20", (404, None, None)), ("/patient%3F", (404, None, None)),
    ("/patient/..", (404, None, None)), ("/PATIENT", (404, None, None)),
])
def test_no_way_around_the_routes(gateway, services, client, target, expected):
    """What was matched is what is sent, and nobody's prefix is left."""
    connection = client(gateway(services, [{"path": "/patient", "upstream": "patient"},
                                           {"path": "/reception", "upstream": "reception"}]))
    status = connection.request(target=target).status
    arrived = [(name, request.target) for name, service in services.items() for request in service.requests]
    assert (status, arrived) == (expected[0], [expected[1:]] if expected[1] else [])


def test_host(gateway, services, client):
    connection = client(gateway(services, [
        {"path": "/", "host": "patient.example", "upstream": "patient"},
        {"path": "/", "upstream": "reception"},
    ]))
    for host, who in [("patient.example", b"patient"), ("PATIENT.example:8080", b"patient"), ("other.example", b"reception"),
                      ("patient.example.evil", b"reception")]:
        assert (host, connection.request(headers={"Host": host}).body) == (host, who)


def test_methods(gateway, services, client):
    started = gateway(services, [
        {"path": "/patient", "methods": ["GET", "HEAD"], "upstream": "patient"},
        {"path": "/patient", "methods": ["POST"], "upstream": "reception"},
    ])
    connection = client(started)
    assert connection.request("GET", "/patient").body == b"patient"
    assert connection.request("POST", "/patient", body=b"x").body == b"reception"
    response = connection.request("DELETE", "/patient/7")
    assert response.status == 405
    assert {method.strip() for method in response.get("Allow").split(",")} == {"GET", "HEAD", "POST"}
    assert started.log(3)[2]["outcome"] == "method_not_allowed"


@pytest.mark.parametrize("rewrite,target,arrives", [
    ({"strip_prefix": "/patient"}, "/patient/7?x=1", "/7?x=1"),
    ({"strip_prefix": "/patient"}, "/patient", "/"),
    ({"strip_prefix": "/patient"}, "/patient?x=1", "/?x=1"),
    ({"strip_prefix": "/patient"}, "/patient/", "/"),
    ({"add_prefix": "/api"}, "/patient/7", "/api/patient/7"),
    ({"strip_prefix": "/patient", "add_prefix": "/api/v1"}, "/patient/7", "/api/v1/7"),
    (None, "/patient/a%20b/%C3%BC?q=%2F&r=a+b&s=%26", "/patient/a%20b/%C3%BC?q=%2F&r=a+b&s=%26"),
    (None, "/patient?", "/patient?"),
    (None, "/patient?a?b", "/patient?a?b"),
])
def test_rewriting(gateway, services, client, rewrite, target, arrives):
    route = {"path": "/patient", "upstream": "patient"}
    if rewrite:
        route["rewrite"] = rewrite
    client(gateway(services, [route])).request(target=target, headers={"X-Forwarded-Prefix": "/chosen-by-client"})
    (request,) = services["patient"].requests
    assert request.target == arrives
    assert request.get("X-Forwarded-Prefix") == (rewrite or {}).get("strip_prefix")


def test_a_prefix_that_a_trusted_proxy_took_off_comes_first(gateway, services, client):
    route = {"path": "/patient", "upstream": "patient", "rewrite": {"strip_prefix": "/patient"}}
    edited = {**route, "path": "/patient/x", "request_headers": {"set": {"X-Forwarded-Prefix": "/edited"}}}
    connection = client(gateway(services, [route, edited], trusted_proxies=["127.0.0.1"]))
    for target in ("/patient/7", "/patient/x"):
        connection.request(target=target, headers={"X-Forwarded-Prefix": "/clinic"})
    first, second = services["patient"].requests
    assert first.all("X-Forwarded-Prefix") == ["/clinic", "/patient"]
    assert second.all("X-Forwarded-Prefix") == ["/edited"]


def test_header_edits(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(headers=[
        ("Server", "Tomcat"), ("X-Powered-By", "Java"), ("Vary", "a")]))
    route = {
        "path": "/",
        "request_headers": {"set": {"X-Set": "new"}, "add": {"X-Add": "second"}, "remove": ["X-Remove"]},
        "response_headers": {"set": {"Server": "hospital"}, "add": {"Vary": "b"}, "remove": ["X-Powered-By"]},
    }
    response = client(gateway(behind, [route])).request(
        headers=[("x-set", "old"), ("X-Set", "older"), ("X-Add", "first"), ("x-remove", "1"), ("X-Other", "stays")])
    request = behind.requests[0]
    assert request.all("X-Set") == ["new"] and request.all("X-Add") == ["first", "second"]
    assert request.get("X-Remove") is None and request.get("X-Other") == "stays"
    assert response.all("Server") == ["hospital"] and response.all("Vary") == ["a", "b"]
    assert response.get("X-Powered-By") is None


def test_options_for_the_server_itself(gateway, services, client):
    response = client(gateway(services, [{"path": "/", "upstream": "patient"}])).request("OPTIONS", "*")
    assert response.status in (200, 204, 404)
