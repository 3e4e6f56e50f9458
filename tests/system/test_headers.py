"""Fields on their way: what belongs to one connection stays there, and what the gateway says of itself is true."""
import re

import pytest

from harness import until

UUID_LIKE = re.compile(r"^[0-9a-zA-Z_-]{8,64}$")


def arrived(behind):
    return behind.requests[-1]


def test_hop_by_hop_fields_stop_here(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(headers=[
        ("Connection", "X-Back"), ("X-Back", "1"), ("Keep-Alive", "timeout=50"), ("Proxy-Authenticate", "Basic"),
        ("X-Stays", "yes")]))
    connection = client(gateway(behind))
    for _ in range(2):
        response = connection.request(headers=[
            ("Connection", "X-Secret, keep-alive"), ("X-Secret", "1"), ("Keep-Alive", "timeout=5"), ("TE", "trailers"),
            ("Proxy-Connection", "keep-alive"), ("Upgrade", "h2c"), ("X-Stays", "yes")])
        names = arrived(behind).names()
        assert "x-stays" in names
        assert not {"x-secret", "keep-alive", "te", "proxy-connection", "upgrade"} & set(names)
        assert response.get("X-Stays") == "yes"
        assert not {"x-back", "keep-alive"} & set(response.names())


def test_end_to_end_fields_pass_unchanged_and_in_order(gateway, upstream, client):
    sent = [("X-A", "1"), ("Cookie", "a=b; c=d"), ("x-b", "two  words"), ("X-A", "2"), ("Authorization", "Basic eA=="),
            ("X-Latin", "M\xfcller")]
    behind = upstream(lambda connection, request: connection.reply(headers=[("Set-Cookie", "a"), ("Set-Cookie", "b")]))
    response = client(gateway(behind)).request(headers=sent)
    assert [field for field in arrived(behind).fields if field in sent] == sent
    assert response.all("Set-Cookie") == ["a", "b"]


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "X-Forwarded-For", "Via"])
def test_connection_cannot_name_fields_away_that_the_gateway_lives_by(gateway, upstream, client, name):
    behind = upstream()
    response = client(gateway(behind)).request("POST", headers={"Connection": name}, body=b"hello")
    if response.status == 400:
        return
    request = arrived(behind)
    assert request.body == b"hello" and request.get("Host") is not None and request.get("X-Forwarded-For") == "127.0.0.1"


def test_fields_that_the_gateway_adds(gateway, upstream, client):
    behind = upstream()
    started = gateway(behind)
    response = client(started).request(target="/patient/7", headers={"Host": "Hospital.Example:8080"})
    request = arrived(behind)
    assert request.get("Host") == "Hospital.Example:8080"
    assert request.get("X-Forwarded-For") == "127.0.0.1"
    assert request.get("X-Forwarded-Proto") == "http"
    assert request.get("X-Forwarded-Host") == "Hospital.Example:8080" and request.get("X-Forwarded-Port") == "8080"
    assert "for=127.0.0.1" in request.get("Forwarded").replace('"', "")
    assert UUID_LIKE.match(request.get("X-Request-Id"))
    assert re.match(r"1\.1 \S+", request.get("Via"))
    assert re.match(r"1\.1 \S+", response.get("Via"))
    assert started.log(1)[0]["request_id"] == request.get("X-Request-Id")


FORGED = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example",
          "Forwarded": "for=6.6.6.6", "X-Request-Id": "chosen-by-client"}


def test_a_stranger_is_not_believed(gateway, upstream, client):
    behind = upstream()
    client(gateway(behind)).request(headers=FORGED)
    request = arrived(behind)
    assert b"6.6.6.6" not in request.raw and b"evil.example" not in request.raw
    assert request.get("X-Forwarded-For") == "127.0.0.1" and request.get("X-Forwarded-Proto") == "http"
    assert request.get("X-Request-Id") != "chosen-by-client"


def test_a_trusted_proxy_is_believed_and_added_to(gateway, upstream, client):
    behind = upstream()
    client(gateway(behind, trusted_proxies=["127.0.0.0/8"])).request(headers=FORGED)
    request = arrived(behind)
    assert request.get("X-Forwarded-For").replace(" ", "") == "6.6.6.6,127.0.0.1"
    assert request.get("X-Forwarded-Proto") == "https"
    assert request.get("X-Forwarded-Host") == "evil.example" and request.get("X-Forwarded-Port") == "443"
    assert request.get("X-Request-Id") == "chosen-by-client"


def as_spring_reads(request):
    """ForwardedHeaderUtils: with a Forwarded, what it says first; without, the first of X-Forwarded-..."""
    forwarded = request.get("Forwarded")
    if forwarded:
        return tuple(re.search(pattern, forwarded)[1] for pattern in
                     (r'proto="?([^;,"]+)', r'(?i:host)="?([^;,"]+)', r'(?i:for)=[ ]*"?((?:\[[^]]+])|[^;,:"]+)'))
    return tuple(request.get("X-Forwarded-" + name).split(",")[0] for name in ("Proto", "Host", "For"))


@pytest.mark.parametrize("sent, seen", [
    ({"X-Forwarded-For": "192.0.2.1"}, ("http", "internal:80", "192.0.2.1")),
    ({"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}, ("https", "internal:80", "192.0.2.1")),
    ({"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example", "X-Forwarded-Port": "443"},
     ("https", "pub.example", "192.0.2.1")),
    ({"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example", "X-Forwarded-Port": "8443"},
     ("https", "pub.example:8443", "192.0.2.1")),
    ({"X-Forwarded-For": "192.0.2.1, 10.0.0.7", "X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "pub.example, inner"},
     ("https", "pub.example", "192.0.2.1")),
    ({"X-Forwarded-For": "2001:db8::1", "X-Forwarded-Proto": "https"}, ("https", "internal:80", "[2001:db8::1]")),
    ({"X-Forwarded-For": "192.0.2.1, what?", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "pub.example"}, ("https", "pub.example", "192.0.2.1"))])
def test_services_see_the_client_of_a_proxy_that_sends_no_forwarded(gateway, upstream, client, sent, seen):
    behind = upstream()
    client(gateway(behind, trusted_proxies=["127.0.0.0/8"])).request(headers={"Host": "internal:80", **sent})
    assert as_spring_reads(arrived(behind)) == seen
    assert (arrived(behind).get("X-Forwarded-Proto"), arrived(behind).get("X-Forwarded-Host")) == (seen[0], sent.get("X-Forwarded-Host", "internal:80").split(",")[0])


@pytest.mark.parametrize("sent,logged", [
    ([], "127.0.0.1"), (["6.6.6.6"], "6.6.6.6"), (["1.1.1.1, 6.6.6.6"], "6.6.6.6"), (["1.1.1.1", "6.6.6.6 ,10.0.0.7"], "6.6.6.6"),
    (["10.0.0.8,10.0.0.7"], "10.0.0.8"), (["2001:db8::7"], "2001:db8::7"), (['6.6.6.6, evil","status":200'], "127.0.0.1"),
    (["6.6.6.6, unknown, 10.0.0.7"], "10.0.0.7"), (["6.6.6.6,"], "6.6.6.6"), ([","], "127.0.0.1"), (["6.6.6.6, ,10.0.0.7,"], "6.6.6.6"), (["6.6.6.6", ""], "6.6.6.6"),
    (["", " , ,"], "127.0.0.1"), (["1.1.1.1,,6.6.6.6,,"], "6.6.6.6"), (["6" * 4000], "127.0.0.1"),
    (["1.1.1.1, 6.6.6.6:1234"], "6.6.6.6"), (["6.6.6.6:1, 10.0.0.7:65535"], "6.6.6.6"), (["[2001:db8::7]:80"], "2001:db8::7"),
    (["[2001:db8::7]"], "2001:db8::7"), (["::ffff:6.6.6.6"], "::ffff:6.6.6.6")] + [
    ([f"6.6.6.6, {junk}"], "127.0.0.1") for junk in ("7.7.7.7:0", "7.7.7.7:65536", "7.7.7.7:", "7.7.7.7:x", ":80", "80", "[7.7.7.7]:80",
                                                     "[2001:db8::7]:", "[2001:db8::7]80", "[2001:db8::7", "[]:80", "7.7.7.7:80:80")])
@pytest.mark.parametrize("form", ["json", "combined"])
def test_the_log_names_whom_a_trusted_proxy_asks_for(gateway, upstream, client, sent, logged, form):
    started = gateway(upstream(), trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"], access_log={"to": "stdout", "format": form})
    client(started).request(headers=[("X-Forwarded-For", value) for value in sent])
    until(lambda: started.lines, "a line")
    assert (started.log()[0]["client"] if form == "json" else started.lines[0].split(" ")[0]) == logged


@pytest.mark.parametrize("sent,logged", [
    (["for=6.6.6.6"], "6.6.6.6"), (["for=1.1.1.1, for=6.6.6.6"], "6.6.6.6"), (["for=1.1.1.1", "for=6.6.6.6 ,For=10.0.0.7;by=_x"], "6.6.6.6"),
    (['for="6.6.6.6:1234";proto=https'], "6.6.6.6"), (['proto=https;FOR="[2001:db8::7]:80"'], "2001:db8::7"), (['for="[2001:db8::7]"'], "2001:db8::7"),
    (["for=10.0.0.8,,for=10.0.0.7"], "10.0.0.8"), (["for=6.6.6.6, for=unknown, for=10.0.0.7"], "10.0.0.7"), (["for=6.6.6.6, for=_hidden"], "127.0.0.1"),
    (["for=\"6.6.6.6, for=7.7.7.7"], "7.7.7.7"), (["for=6.6.6.6, for=10.0.0.7;for=10.0.0.8"], "127.0.0.1"), (["for=6.6.6.6, proto=https"], "127.0.0.1"),
    (['for="6.6.6.6:_port"'], "127.0.0.1"), (["for=[2001:db8::7]"], "127.0.0.1"), (['for="2001:db8::7"'], "127.0.0.1"), (['for="[6.6.6.6]"'], "127.0.0.1"),
    (["for=6.6.6.6:80"], "127.0.0.1"), (["6.6.6.6"], "127.0.0.1"), (["for=6.6.6.6; proto=https"], "127.0.0.1"), ([""], "127.0.0.1")])
def test_the_log_names_whom_a_trusted_proxy_names_in_forwarded(gateway, upstream, client, sent, logged):
    started = gateway(upstream(), trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"])
    connection = client(started)
    connection.request(headers=[("Forwarded", value) for value in sent])
    connection.request(headers=[("X-Forwarded-For", "8.8.8.8"), *(("Forwarded", value) for value in sent)])
    assert [line["client"] for line in started.log(2)] == [logged, "8.8.8.8"]


@pytest.mark.parametrize("sent, arrives", [
    ("for=6.6.6.6;proto=https;host=pub.example, for=10.0.0.7;proto=http;host=inner", ("6.6.6.6, 10.0.0.7, 127.0.0.1", "https", "pub.example", "443")),
    ('for="[2001:db8::7]:1";proto=https;host="pub.example:8443"', ("2001:db8::7, 127.0.0.1", "https", "pub.example:8443", "8443")),
    ("for=1.1.1.1, for=unknown, for=6.6.6.6", ("6.6.6.6, 127.0.0.1", "http", "internal:81", "81")),
    ("for=6.6.6.6;proto=https, garbage", ("127.0.0.1", "http", "internal:81", "81")),
    ('for=6.6.6.6;proto="1";host=pub.example', ("6.6.6.6, 127.0.0.1", "http", "internal:81", "81")),
    ('for=6.6.6.6;proto=https;host="a@b"', ("6.6.6.6, 127.0.0.1", "http", "internal:81", "81"))])
def test_what_a_trusted_proxy_says_in_forwarded_is_in_the_other_fields(gateway, upstream, client, sent, arrives):
    behind = upstream()
    client(gateway(behind, trusted_proxies=["127.0.0.0/8"])).request(headers={"Host": "internal:81", "Forwarded": sent})
    request = arrived(behind)
    assert tuple(request.get("X-Forwarded-" + name) for name in ("For", "Proto", "Host", "Port")) == arrives
    assert request.all("Forwarded") == [sent + ', proto=http;for=127.0.0.1;host="internal:81"']


def test_a_forwarded_beside_x_forwarded_for_changes_nothing_else(gateway, upstream, client):
    """It may be the client's: a proxy that writes X-Forwarded-For may know nothing of Forwarded."""
    behind = upstream()
    client(gateway(behind, trusted_proxies=["127.0.0.0/8"])).request(
        headers={"Host": "internal:81", "X-Forwarded-For": "6.6.6.6", "Forwarded": "for=1.1.1.1;proto=https;host=evil.example"})
    request = arrived(behind)
    assert tuple(request.get("X-Forwarded-" + name) for name in ("For", "Proto", "Host", "Port")) == ("6.6.6.6, 127.0.0.1", "http", "internal:81", "81")


def test_a_strangers_word_is_not_in_the_log(gateway, upstream, client):
    started = gateway(upstream(), trusted_proxies=["10.0.0.0/8"])
    client(started).request(headers=FORGED)
    assert started.log(1)[0]["client"] == "127.0.0.1"


@pytest.mark.parametrize("named", ["X-Forwarded-For", "x-forwarded-for, close", "Forwarded, X-Forwarded-Host, X-Forwarded-Proto, X-Request-Id",
                                   "X-Real-Ip", "Via"])
def test_a_client_cannot_name_away_what_its_proxy_says_of_it(gateway, upstream, client, named):
    """A trusted proxy that passes its client's Connection on."""
    behind = upstream()
    started = gateway(behind, trusted_proxies=["127.0.0.0/8"])
    client(started).request(headers={**FORGED, "X-Real-IP": "6.6.6.6", "Via": "1.1 proxy", "Connection": named})
    request = arrived(behind)
    assert request.get("X-Forwarded-For") == "6.6.6.6, 127.0.0.1" and request.get("X-Forwarded-Proto") == "https"
    assert request.get("X-Forwarded-Host") == "evil.example" and request.get("X-Request-Id") == "chosen-by-client"
    assert request.get("Forwarded").startswith("for=6.6.6.6, ") and request.get("X-Real-IP") == "6.6.6.6"
    assert request.all("Via")[0] == "1.1 proxy"
    assert started.log(1)[0]["client"] == "6.6.6.6"


@pytest.mark.parametrize("sent,arrives", [
    (["6.6.6.6,"], "6.6.6.6, 127.0.0.1"), ([" , 6.6.6.6"], "6.6.6.6, 127.0.0.1"), ([",", "", "6.6.6.6 ,\t,"], "6.6.6.6, 127.0.0.1"),
    ([" ,"], "127.0.0.1"), (["6.6.6.6,7.7.7.7", "8.8.8.8"], "6.6.6.6,7.7.7.7, 8.8.8.8, 127.0.0.1")])
def test_no_empty_elements_are_made(gateway, upstream, client, sent, arrives):
    behind = upstream()
    client(gateway(behind, trusted_proxies=["127.0.0.0/8"])).request(headers=[("X-Forwarded-For", value) for value in sent])
    assert arrived(behind).get("X-Forwarded-For") == arrives


def test_each_request_has_an_id_of_its_own(gateway, upstream, client):
    behind = upstream()
    connection = client(gateway(behind))
    for _ in range(50):
        connection.request()
    assert len({request.get("X-Request-Id") for request in behind.requests}) == 50


def test_via_is_added_to(gateway, upstream, client):
    behind = upstream()
    client(gateway(behind)).request(headers={"Via": "1.1 before"})
    via = ", ".join(arrived(behind).all("Via"))
    assert via.startswith("1.1 before") and "1.1 " in via[len("1.1 before"):]


def test_the_proxy_field_never_reaches_an_upstream(gateway, upstream, client):
    behind = upstream()
    client(gateway(behind)).request(headers={"Proxy": "http://evil.example"})
    assert "proxy" not in arrived(behind).names()


def test_large_heads_both_ways(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(headers=[("X-Large", "r" * 12_000)]))
    connection = client(gateway(behind))
    for _ in range(2):
        assert connection.request(headers={"X-Large": "q" * 15_000}).get("X-Large") == "r" * 12_000
        assert arrived(behind).get("X-Large") == "q" * 15_000


def test_date_is_there_once(gateway, upstream, client):
    behind = upstream(lambda connection, request: connection.reply(headers=[("Date", "Tue, 01 Jan 2030 00:00:00 GMT")]))
    connection = client(gateway(behind))
    assert connection.request().get("Date") == "Tue, 01 Jan 2030 00:00:00 GMT"
    behind.handler = lambda connection, request: connection.reply()
    assert connection.request().get("Date").endswith("GMT")


def test_an_absolute_target_goes_on_as_a_path(gateway, upstream, client):
    behind = upstream()
    client(gateway(behind)).request(target="http://hospital.example/patient/7?x=1")
    assert arrived(behind).target == "/patient/7?x=1" and arrived(behind).get("Host") == "hospital.example"


@pytest.mark.parametrize("edits,dates", [({"set": {"Date": "today"}}, ["today"]), ({"remove": ["Date"]}, [])], ids=["set", "removed"])
def test_the_operator_has_the_last_word_on_the_date(gateway, upstream, client, edits, dates):
    started = gateway(upstream(), [{"path": "/", "response_headers": edits}])
    assert client(started).request().all("Date") == dates


def test_response_headers_are_on_the_fallback_too(gateway, client):
    """Else a page of another origin could not read it. What speaks of the upstream's body does not."""
    edits = {"set": {"Access-Control-Allow-Origin": "*", "Content-Type": "application/json", "Cache-Control": "max-age=60",
                     "CDN-Cache-Control": "max-age=60", "Content-Language": "de", "Content-Security-Policy": "default-src *"},
             "add": {"X-More": "1"}, "remove": ["Retry-After"]}
    started = gateway("http://127.0.0.1:1", [{"path": "/", "response_headers": edits, "fallback": "later"}])
    answer = client(started).request()
    assert (answer.status, answer.body) == (503, b"later\n")
    assert [answer.all(name) for name in ("Access-Control-Allow-Origin", "X-More")] == [["*"], ["1"]]
    assert [answer.all(name) for name in ("Content-Type", "Cache-Control")] == [["text/plain; charset=utf-8"], ["no-store"]]
    assert len(answer.all("Retry-After")) == 1
    assert [name for name in answer.names() if name in ("cdn-cache-control", "content-language", "content-security-policy")] == ["content-security-policy"]
