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
    # parameters: many services read the path without them, and get them all the same
    ("/patient;a=b", (200, "patient", "/patient;a=b")), ("/patient;a=b/7;c", (200, "patient", "/patient;a=b/7;c")),
    ("/reception;x/desk", (200, "reception", "/reception;x/desk")), ("/rece;x/ption", (404, None, None)),
    ("/reception;x/../patient", REFUSED), ("/patient/a;x/../b;y", (200, "patient", "/patient/b;y")),
    ("/;x/reception/desk", REFUSED), ("/patient/;/../reception", REFUSED), ("/patient/;x", (200, "patient", "/patient/;x")),
    ("/reception%3bx/desk", REFUSED), ("/reception%3B/desk", REFUSED), ("/patient/%3bx/7", REFUSED),
    ("/patient/7%3bx", (200, "patient", "/patient/7%3Bx")), ("/patient;%3b/7", (200, "patient", "/patient;%3B/7")),
    # what only looks like a route's
    ("/patient%20", (404, None, None)), ("/patient%3F", (404, None, None)),
    ("/patient/..", (404, None, None)), ("/PATIENT", (404, None, None)),
])
def test_no_way_around_the_routes(gateway, services, client, target, expected):
    """The gateway sends the path that it matched, and leaves no route's prefix."""
    connection = client(gateway(services, [{"path": "/patient", "upstream": "patient"},
                                           {"path": "/reception", "upstream": "reception"}]))
    status = connection.request(target=target).status
    arrived = [(name, request.target) for name, service in services.items() for request in service.requests]
    assert (status, arrived) == (expected[0], [expected[1:]] if expected[1] else [])


def test_host(gateway, services, client):
    connection = client(gateway(services, [
        {"path": "/", "host": "patient.example", "upstream": "patient"},
        {"path": "/", "host": "Desk.example.", "upstream": "patient"},
        {"path": "/", "upstream": "reception"},
    ]))
    for host, who in [("patient.example", b"patient"), ("PATIENT.example:8080", b"patient"), ("patient.example.", b"patient"),
                      ("patient.example.:8080", b"patient"), ("desk.example", b"patient"), ("desk.example.", b"patient"),
                      ("patient.example..", b"reception"), ("other.example", b"reception"),
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


EXPRESSION = {"regex": "^/patient/(?<rest>.*)", "replacement": "/v2/${rest}"}


@pytest.mark.parametrize("rewrite,target,arrives", [
    ({"strip_prefix": "/patient"}, "/patient/7?x=1", "/7?x=1"),
    ({"strip_prefix": "/patient"}, "/patient", "/"),
    ({"strip_prefix": "/patient"}, "/patient;x=y/7;z", "/7;z"),
    ({"strip_prefix": "/patient"}, "/patient;x", "/"),
    ({"strip_prefix": "/patient", "add_prefix": "/api"}, "/patient/;x", "/api/;x"),
    ({"strip_prefix": "/patient"}, "/patient?x=1", "/?x=1"),
    ({"strip_prefix": "/patient"}, "/patient/", "/"),
    ({"add_prefix": "/api"}, "/patient/7", "/api/patient/7"),
    ({"strip_prefix": "/patient", "add_prefix": "/api/v1"}, "/patient/7", "/api/v1/7"),
    (None, "/patient/a%20b/%C3%BC?q=%2F&r=a+b&s=%26", "/patient/a%20b/%C3%BC?q=%2F&r=a+b&s=%26"),
    (None, "/patient?", "/patient?"),
    (None, "/patient?a?b", "/patient?a?b"),
    (EXPRESSION, "/patient/a%2520b/c%c3%bc?x=/patient/", "/v2/a%2520b/c%C3%BC?x=/patient/"),
    (EXPRESSION, "/patient/", "/v2/"),
    (EXPRESSION, "/patient", "/patient"),
    ({"regex": "/(patient)", "replacement": "/$1s$0"}, "/patient/patient", "/patients/patient/patients/patient"),
    ({"regex": "^.*$", "replacement": "/one/text"}, "/patient/" + 4000 * "x", "/one/text"),
    ({"regex": "^/patient(.*)$", "replacement": "$1" + 100 * "/prefix"}, "/patient/7", "/7" + 100 * "/prefix"),
])
def test_rewriting(gateway, services, client, rewrite, target, arrives):
    route = {"path": "/patient", "upstream": "patient"}
    if rewrite:
        route["rewrite"] = rewrite
    client(gateway(services, [route])).request(target=target, headers={"X-Forwarded-Prefix": "/chosen-by-client"})
    (request,) = services["patient"].requests
    assert request.target == arrives
    assert request.get("X-Forwarded-Prefix") == (rewrite or {}).get("strip_prefix")


@pytest.mark.parametrize("regex,replacement,target,why", [
    ("(/?[a-z]+)+$", "/x", "/patient/" + 60 * "a" + "-", "takes too long"),
    ("^/patient/(?<rest>.*)", "/files/${rest}", "/patient/%2e%2e/%2e%2e/secret", None),  # before any expression sees it
    ("^/patient/f(?<rest>.*)", "/files/${rest}", "/patient/f../secret", "dot segments"),
    ("^/patient/(?<rest>.*)", "/${rest}", "/patient;x/7", "parameters"),
    ("25", "", "/patient/%252F7", "encoded slash"),
    ("^/x", "/y", "/patient/" + 5000 * "x", "too long"),
    ("^.*$", "$0$0$0", "/patient/" + 4000 * "x", "too long"),
])
def test_what_an_expression_may_not_make_of_a_path(gateway, services, client, regex, replacement, target, why):
    started = gateway(services, [{"path": "/patient", "upstream": "patient", "rewrite": {"regex": regex, "replacement": replacement}}])
    response = client(started).request(target=target)
    assert response.status == 400 and (why or "").encode() in response.body
    assert started.log(1)[0]["outcome"] == "request_refused"
    assert not services["patient"].requests


def test_several_paths_exact_ones_and_stars(gateway, services, client):
    started = gateway(services, [
        {"path": ["/patient", "/ward/*/patient"], "upstream": "patient", "methods": ["GET"]},
        {"path": "/patient", "exact": "on", "upstream": "reception", "methods": ["GET"]},
        {"path": "/ward/desk/patient", "upstream": "reception"},
        {"path": "/ward/*/patient", "methods": ["PUT"], "upstream": "reception"},
    ])
    connection = client(started)
    for target, who in [("/patient/7", b"patient"), ("/patient/", b"patient"), ("/patient", b"reception"), ("/patient?x", b"reception"),
                        ("/ward/7/patient", b"patient"), ("/ward/7/patient/x", b"patient"), ("/ward/7;x/patient;y", b"patient"),
                        ("/ward/desk/patient", b"reception"), ("/ward/desk/patient/x", b"reception"), ("/ward/%64esk/patient", b"reception")]:
        assert (target, connection.request(target=target).body) == (target, who)
    for target in ("/ward//patient", "/ward/patient", "/ward/7/patients", "/ward/7/8/patient", "/ward/7"):
        assert (target, connection.request(target=target).status) == (target, 404)
    assert connection.request("POST", "/ward/7/patient").get("Allow") == "GET, PUT"
    assert connection.request("POST", "/patient/7").get("Allow") == "GET"
    assert client(started).request(target="/ward/7/patient/../../8/patient").status == 400
    assert {line["route"] for line in started.log(18) if line["outcome"] == "answered"} == {"/patient", "/ward/desk/patient"}


@pytest.mark.parametrize("target,arrives,prefix", [
    ("/ward/7/patient/x?y", "/patient/x?y", "/ward/7"), ("/ward/7;a=b/patient;c", "/patient;c", "/ward/7"),
    ("/ward/a,b%22*;x/patient", "/patient", "/ward/a%2Cb%22%2A"), ("/hall/7", "/", "/hall/7"),
])
def test_stripping_what_a_star_stood_for(gateway, services, client, target, arrives, prefix):
    """The client chooses it, so it can't begin a second prefix in the field."""
    route = {"path": ["/ward/*/patient", "/hall/7"], "upstream": "patient", "rewrite": {"strip_prefix": "/*/*"}}
    client(gateway(services, [route])).request(target=target, headers={"X-Forwarded-Prefix": "/chosen-by-client"})
    (request,) = services["patient"].requests
    assert (request.target, request.all("X-Forwarded-Prefix")) == (arrives, [prefix])


def test_a_prefix_that_a_trusted_proxy_took_off_comes_first(gateway, services, client):
    route = {"path": "/patient", "upstream": "patient", "rewrite": {"strip_prefix": "/patient"}}
    edited = {**route, "path": "/patient/x", "request_headers": {"set": {"X-Forwarded-Prefix": "/edited"}}}
    connection = client(gateway(services, [route, edited], trusted_proxies=["127.0.0.1"]))
    for target in ("/patient/7", "/patient/x"):
        connection.request(target=target, headers={"X-Forwarded-Prefix": "/clinic", "X-Forwarded-Server": "proxy"})
    connection.request(target="/patient/7", headers=[("X-Forwarded-Prefix", "/clinic, /hall,"), ("x-forwarded-prefix", "/ward")])
    connection.request(target="/patient/7", headers={"X-Forwarded-Server": "proxy"})
    first, second, third, fourth = services["patient"].requests
    assert first.all("X-Forwarded-Prefix") == ["/clinic,/patient"] and first.get("X-Forwarded-Server") == "proxy"
    assert second.all("X-Forwarded-Prefix") == ["/edited"]
    assert third.all("X-Forwarded-Prefix") == ["/clinic, /hall, /ward,/patient"]
    assert fourth.all("X-Forwarded-Prefix") == ["/patient"]


@pytest.mark.parametrize("trusted, before", [([], ""), (["127.0.0.1"], "/clinic,")])
@pytest.mark.parametrize("regex, replacement, target, arrives, prefix", [
    ("^/patient/(?<rest>.*)", "/${rest}", "/patient/7/x?y", "/7/x?y", "/patient"),
    ("^/patient/(?<rest>.*)", "/${rest}", "/patient/", "/", "/patient"),
    ("^/patient/[^/]*", "", "/patient/a,b%22*/7", "/7", "/patient/a%2Cb%22%2A"),
    ("^/patient/[^/]*", "/v2", "/patient/7/x", "/v2/x", None), ("^/nowhere", "", "/patient/7", "/patient/7", None),
    ("^(.*)$", "/v2$1", "/patient/7", "/v2/patient/7", None)])
def test_an_expression_that_takes_off_a_prefix(gateway, services, client, trusted, before, regex, replacement, target, arrives, prefix):
    """As Spring Cloud Gateway does: the service is told what stood before the path that it sees."""
    route = {"path": "/patient", "upstream": "patient", "rewrite": {"regex": regex, "replacement": replacement}}
    client(gateway(services, [route], trusted_proxies=trusted)).request(target=target, headers={"X-Forwarded-Prefix": "/clinic"})
    (request,) = services["patient"].requests
    passed = [before.strip(",")] if before else []
    assert (request.target, request.all("X-Forwarded-Prefix")) == (arrives, [before + prefix] if prefix else passed)


def test_lookalikes_of_edited_headers_are_removed(gateway, upstream, client):
    """Many servers take X_User and X.User for X-User, so a client could name itself."""
    behind = upstream()
    route = {"path": "/", "request_headers": {"set": {"X-User": "nobody", "X_Ward": "none"}, "remove": ["X-Admin"]}}
    started = gateway(behind, [route])
    for name in ("X_User", "X.User", "x-user_", "X!USER", "X-Ward", "X.Ward", "X_Admin", "X.Admin", "_X-Admin"):
        client(started).request(headers=[(name, "evil"), ("X_Other", "stays"), ("X-Users", "stay")])
        request = behind.requests[-1]
        assert [value for _, value in request.fields].count("evil") == 0, name
        assert (request.get("X-User"), request.get("X_Ward"), request.get("X_Other"), request.get("X-Users")) == \
               ("nobody", "none", "stays", "stay")


@pytest.mark.parametrize("trusted,arrives", [([], None), (["127.0.0.1"], "/admin")])
def test_only_a_trusted_proxy_says_what_was_asked_for(gateway, upstream, client, trusted, arrives):
    behind = upstream()
    client(gateway(behind, trusted_proxies=trusted)).request(headers={"X-Original-URL": "/admin", "X-Rewrite-URL": "/admin"})
    assert behind.requests[0].get("X-Original-URL") == behind.requests[0].get("X-Rewrite-URL") == arrives


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
