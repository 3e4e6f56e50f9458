"""Pages of other origins (routes[].cors): which may use a route, and that they can read every answer, whoever makes it."""
import pytest

from harness import closing, failing
from process import run

ORIGIN, OTHER = "https://app.example", "https://evil.example"
CORS = {"origins": [ORIGIN], "methods": ["GET", "PUT"], "headers": ["Content-Type", "X-Token"], "expose": ["X-Total"],
        "credentials": "on", "max_age": "5m"}
VARY_PREFLIGHT = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def route(cors=CORS, **keys):
    return {"path": "/", "upstream": "patient", "cors": cors, **keys}


def preflight(connection, method="PUT", origin=ORIGIN, headers=None, target="/patient"):
    fields = [("Origin", origin), ("Access-Control-Request-Method", method)]
    if headers is not None:
        fields.append(("Access-Control-Request-Headers", headers))
    return connection.request("OPTIONS", target, fields)


def access_control(response):
    return {name.lower()[15:]: value for name, value in response.fields if name.lower().startswith("access-control-")}


def test_a_preflight_is_answered_here(gateway, upstream, client):
    behind = upstream()
    started = gateway(behind, [route()])
    response = preflight(client(started), headers="content-type,x-token")
    assert response.status == 204 and response.body == b""
    assert access_control(response) == {"allow-origin": ORIGIN, "allow-credentials": "true", "allow-methods": "GET, PUT",
                                        "allow-headers": "Content-Type, X-Token", "max-age": "300"}
    assert response.get("Vary") == VARY_PREFLIGHT
    assert response.get("Content-Length") is None
    assert behind.requests == []
    line, = started.log(1)
    assert (line["outcome"], line["status"], line["attempts"], line["breaker"]) == ("answered_here", 204, 0, None)
    assert started.metrics().sum("resilience4j_circuitbreaker_calls_seconds_count", name="patient") == 0


@pytest.mark.parametrize("asked, why", [({"origin": OTHER}, "origin"), ({"origin": "null"}, "origin"), ({"origin": ORIGIN + ".evil.example"}, "origin"),
                                        ({"origin": "http://app.example"}, "origin"), ({"origin": ORIGIN + ":8443"}, "origin"),
                                        ({"method": "DELETE"}, "method"), ({"method": "put"}, "method"), ({"method": ""}, "method"),
                                        ({"headers": "x-other"}, "header"), ({"headers": "x-token, x-other"}, "header")])
def test_a_preflight_that_asks_for_too_much(gateway, upstream, client, asked, why):
    behind = upstream()
    started = gateway(behind, [route()])
    response = preflight(client(started), **asked)
    assert response.status == 403 and why.encode() in response.body
    assert response.get("Vary") == VARY_PREFLIGHT
    assert "allow-methods" not in access_control(response) and "allow-headers" not in access_control(response)
    assert ("allow-origin" in access_control(response)) == (why != "origin")
    assert behind.requests == []
    assert started.log(1)[0]["outcome"] == "forbidden"


def test_the_upstreams_own_fields_are_replaced(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(headers=[
        ("Access-Control-Allow-Origin", "*"), ("access-control-allow-origin", OTHER), ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "*"), ("Access-Control-Allow-Private-Network", "true"), ("Vary", "Accept-Encoding"),
        ("X-Total", "7")]))
    connection = client(gateway(behind, [route()]))
    response = connection.request(headers={"Origin": ORIGIN})
    assert response.status == 200 and response.get("X-Total") == "7"
    assert access_control(response) == {"allow-origin": ORIGIN, "allow-credentials": "true", "expose-headers": "X-Total"}
    assert response.all("Vary") == ["Accept-Encoding", "Origin"]
    assert behind.requests[-1].get("Origin") == ORIGIN
    without = connection.request()
    assert access_control(without) == {} and "Origin" in without.all("Vary")


def test_the_upstreams_own_fields_are_not_in_interim_responses(gateway, upstream, client):
    def answer(connection, request):
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nAccess-Control-Allow-Origin: *\r\n\r\n")
        connection.reply()

    response = client(gateway(upstream(answer), [route()])).request(headers={"Origin": ORIGIN})
    assert [(one.status, one.get("Link"), access_control(one)) for one in response.interim] == [(103, "</style.css>", {})]
    assert access_control(response)["allow-origin"] == ORIGIN and response.all("Vary") == ["Origin"]


@pytest.mark.parametrize("vary, all_of_them", [("origin", ["origin"]), ("Accept, Origin", ["Accept, Origin"]), ("*", ["*"]),
                                               ("Original", ["Original", "Origin"]), ("", ["", "Origin"])])
def test_vary_is_said_once(gateway, upstream, client, vary, all_of_them):
    behind = upstream(lambda connection, request: connection.reply(headers=[("Vary", vary)]))
    assert client(gateway(behind, [route()])).request(headers={"Origin": ORIGIN}).all("Vary") == all_of_them


def test_a_page_that_may_not(gateway, upstream, client):
    behind = upstream()
    started = gateway(behind, [route()])
    connection = client(started)
    for origin in (OTHER, "null", "", "https://app.example/", ORIGIN + ", " + OTHER):
        response = connection.request(headers={"Origin": origin})
        assert response.status == 403 and access_control(response) == {} and response.get("Vary") == "Origin"
    response = connection.request("POST", headers={"Origin": ORIGIN}, body=b"x")
    assert response.status == 403 and access_control(response)["allow-origin"] == ORIGIN
    assert behind.requests == []
    assert {line["outcome"] for line in started.log(6)} == {"forbidden"}
    assert started.metrics().sum("gateway_requests_total", outcome="forbidden") == 6


def test_a_page_of_the_same_host_is_no_other_origin(gateway, upstream, client):
    behind = upstream()
    connection = client(gateway(behind, [route()]))
    for origin, host in (("https://hospital.example", "hospital.example"), ("http://hospital.example:81", "hospital.example:81")):
        response = connection.request("POST", headers={"Origin": origin, "Host": host}, body=b"x")
        assert response.status == 200 and access_control(response) == {}
    assert connection.request("POST", headers={"Origin": "http://hospital.example:82"}, body=b"x").status == 403


@pytest.mark.parametrize("origin, sent, status", [
    ("https://pub.example", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example"}, 200),
    ("https://pub.example", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example", "X-Forwarded-Port": "443"}, 200),
    ("https://pub.example:8443", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example", "X-Forwarded-Port": "8443"}, 200),
    ("https://pub.example", {"X-Forwarded-Host": "pub.example"}, 200), ("http://pub.example", {"X-Forwarded-Host": "pub.example"}, 200),
    ("https://pub.example", {"Forwarded": "for=192.0.2.1;proto=https;host=pub.example"}, 200),
    ("https://internal", {"X-Forwarded-Proto": "https"}, 200), ("https://internal", {"X-Forwarded-Proto": "wss"}, 200),
    ("http://internal", {"X-Forwarded-For": "192.0.2.1"}, 200), ("https://internal", {"X-Forwarded-For": "192.0.2.1"}, 200),
    ("http://pub.example", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example"}, 403),
    ("http://pub.example", {"Forwarded": "for=192.0.2.1;proto=https;host=pub.example"}, 403),
    ("https://internal", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example"}, 403),
    ("https://pub.example", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example", "X-Forwarded-Port": "8443"}, 403),
    ("https://pub.example", {"X-Forwarded-For": "192.0.2.1", "Forwarded": "proto=https;host=pub.example"}, 403),
    ("ftp://internal", {}, 403), ("ftp://pub.example", {"X-Forwarded-Host": "pub.example"}, 403)])
def test_the_same_origin_is_that_which_a_trusted_proxy_names(gateway, upstream, client, origin, sent, status):
    connection = client(gateway(upstream(), [route()], trusted_proxies=["127.0.0.0/8"]))
    assert connection.request("POST", headers={"Origin": origin, "Host": "internal", **sent}, body=b"x").status == status


def test_no_stranger_names_the_same_origin(gateway, upstream, client):
    """A proxy that is not trusted may end TLS all the same: http and https of the host in Host are its own."""
    connection = client(gateway(upstream(), [route()]))
    sent = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "pub.example", "X-Forwarded-Port": "81", "Forwarded": "host=pub.example"}
    for origin, status in (("https://internal", 200), ("http://internal", 200), ("http://pub.example", 403), ("https://pub.example", 403),
                           ("ftp://internal", 403), ("http://internal:81", 403)):
        assert connection.request("POST", headers={"Origin": origin, "Host": "internal", **sent}, body=b"x").status == status


def test_fallbacks_refusals_and_errors_can_be_read(gateway, upstream, client):
    behind = upstream(closing)
    started = gateway({"patient": {"url": behind.url, "breaker": {"minimum_calls": 1000}, "retry": {"attempts": 0}}},
                      [route(methods=["GET"], fallback="away", request_body="1KiB"), route(path="/broken", methods=["PUT"], request_body="1KiB")])
    connection = client(started)

    def ask(status, method="GET", target="/", **options):
        response = connection.request(method, target, headers={"Origin": ORIGIN}, **options)
        assert response.status == status
        assert access_control(response) == {"allow-origin": ORIGIN, "allow-credentials": "true", "expose-headers": "X-Total"}
        assert response.get("Vary") == "Origin"
        return response

    assert ask(503).body == b"away\n"
    assert "PUT" not in ask(405, "PUT").get("Allow")
    behind.handler = failing
    assert ask(500).body == b"broken"
    behind.handler = lambda connection, request: connection.send(b"HTTP/1.1 bad\r\n\r\n")
    ask(502, target="/broken", method="PUT")
    connection.ask("PUT", "/broken", headers={"Origin": ORIGIN, "Content-Length": "5000"})
    response = connection.answer()
    assert response.status == 413 and access_control(response)["allow-origin"] == ORIGIN


def test_a_breaker_that_is_open_has_no_say_in_preflights(gateway, upstream, client):
    behind = upstream(failing)
    started = gateway({"patient": {"url": behind.url, "breaker": {"minimum_calls": 1, "open_for": "60s"}, "retry": {"attempts": 0}}}, [route()])
    connection = client(started)
    assert connection.request().status == 500
    response = connection.request(headers={"Origin": ORIGIN})
    assert response.status == 503 and access_control(response)["allow-origin"] == ORIGIN
    assert preflight(connection).status == 204


def test_a_preflight_comes_before_the_methods_and_finds_the_route_of_its_method(gateway, upstream, client):
    behind = upstream()
    started = gateway(behind, [route(methods=["GET"]), route({"origins": [OTHER], "methods": ["PUT"]}, methods=["PUT"]),
                               {"path": "/plain", "upstream": "patient"}])
    connection = client(started)
    assert preflight(connection, "GET").status == 204
    assert preflight(connection, "PUT").status == 403
    response = preflight(connection, "PUT", OTHER)
    assert response.status == 204 and access_control(response)["allow-methods"] == "PUT"
    # Where nobody answers preflights here, the service does; and an OPTIONS that is none goes to it, too.
    assert preflight(connection, "GET", target="/plain").status == 200
    assert connection.request("OPTIONS", "/plain").status == 200
    assert [request.method for request in behind.requests] == ["OPTIONS", "OPTIONS"]


def test_any_origin_without_credentials(gateway, upstream, client):
    connection = client(gateway(upstream(), [route({"origins": ["*"], "methods": ["*"], "headers": ["*"]})]))
    for headers in ({}, {"Origin": OTHER}, {"Origin": "null"}):
        response = connection.request(headers=headers)
        assert access_control(response) == {"allow-origin": "*"} and response.get("Vary") is None
    response = preflight(connection, "BREW", OTHER, "x-one, x-two")
    assert response.status == 204
    assert access_control(response) == {"allow-origin": "*", "allow-methods": "BREW", "allow-headers": "x-one, x-two", "max-age": "600"}


def test_patterns_echo_the_origin(gateway, upstream, client):
    connection = client(gateway(upstream(), [route({"origin_patterns": ["https://*.hospital.example"], "credentials": "on"})]))
    response = connection.request(headers={"Origin": "https://ward.hospital.example"})
    assert access_control(response) == {"allow-origin": "https://ward.hospital.example", "allow-credentials": "true"}
    assert connection.request(headers={"Origin": "https://evilhospital.example"}).status == 403
    # Methods default to GET and HEAD, headers to none.
    assert preflight(connection, "GET", "https://ward.hospital.example").status == 204
    assert preflight(connection, "POST", "https://ward.hospital.example").status == 403
    assert preflight(connection, "GET", "https://ward.hospital.example", "x-any").status == 403


def test_null_is_an_origin_of_its_own(gateway, upstream, client):
    connection = client(gateway(upstream(), [route({"origins": ["null"]})]))
    assert access_control(connection.request(headers={"Origin": "null"})) == {"allow-origin": "null"}
    assert connection.request(headers={"Origin": ORIGIN}).status == 403


def test_two_origins_are_none(gateway, upstream, client):
    connection = client(gateway(upstream(), [route()]))
    response = connection.request(headers=[("Origin", ORIGIN), ("Origin", OTHER)])
    assert response.status == 403 and access_control(response) == {}


def test_the_operators_word_is_the_last(gateway, upstream, client):
    connection = client(gateway(upstream(), [route(response_headers={"set": {"Access-Control-Allow-Origin": "https://fixed.example"}})]))
    assert connection.request(headers={"Origin": ORIGIN}).get("Access-Control-Allow-Origin") == "https://fixed.example"


@pytest.mark.parametrize("name", ["Vary", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"])
@pytest.mark.parametrize("edit", ["set", "remove", "add"])
def test_of_each_name_the_operators_word_is_the_last(gateway, upstream, client, name, edit):
    """The other lines stand as without it."""
    connection = client(gateway(upstream(), [route(), route(path="/edited", response_headers={edit: [name] if edit == "remove" else {name: "word"}})]))
    plain, edited = ({"vary": response.all("Vary"), "control": access_control(response)}
                     for response in (connection.request(target=target, headers={"Origin": ORIGIN}) for target in ("/", "/edited")))
    short = name.lower()[15:]
    if name == "Vary":
        assert edited["vary"] == {"set": ["word"], "remove": [], "add": ["Origin", "word"]}[edit] and edited["control"] == plain["control"]
    elif edit == "add":
        assert edited["control"] == {**plain["control"], short: "word"} and edited["vary"] == plain["vary"]
    else:
        assert edited["control"].pop(short, None) == ("word" if edit == "set" else None)
        assert edited["control"] == {key: value for key, value in plain["control"].items() if key != short}
        assert edited["vary"] == plain["vary"]


def test_a_long_list_of_headers_is_refused_rather_than_cut(gateway, upstream, client):
    connection = client(gateway(upstream(), [route({"origins": ["*"], "headers": ["*"]})]))
    asked = ", ".join(f"x-{number:04}" for number in range(1400))
    response = preflight(connection, "GET", OTHER, asked)
    assert "allow-headers" not in access_control(response) and response.status == 403


def test_a_star_with_credentials_is_refused(tmp_path):
    file = tmp_path / "gateway.yml"
    file.write_text("upstreams: { a: { url: 'http://a.b' } }\nroutes: [ { path: /, upstream: a, cors: { origins: ['*'], credentials: on } } ]\n")
    checked = run("--check", "--config", str(file))
    assert checked.returncode == 2
    assert "origin_patterns" in checked.stdout + checked.stderr and ":2:" in checked.stdout + checked.stderr
