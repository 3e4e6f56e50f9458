"""The access rules of the admin listener, for reading and for changes."""
import json
import os
import re

import pytest

from harness import Client, ended_after, free_port, until
from process import IS_SANITIZED, memory, run

PATH = "/actuator/circuitbreakers/patient"
WISH = json.dumps({"updateState": "FORCE_OPEN"})
JSON = {"Content-Type": "application/json"}
TOKEN = "correct-horse-battery-staple"


def change(running, **headers):
    status, _, text = running.ask_admin(PATH, "POST", WISH, {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}})
    return status, text


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    return file


def test_on_loopback_an_operator_needs_no_token(gateway, upstream):
    assert change(gateway(upstream()))[0] == 200


@pytest.mark.parametrize("headers", [
    {}, {"Content-Type": "application/json; charset=utf-8"}, {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/vnd.spring-boot.actuator.v3+json"}])
def test_an_operators_tools_say_various_things_of_their_json(gateway, upstream, headers):
    """Nothing: http.client; a form: curl -d."""
    running = gateway(upstream())
    assert running.ask_admin(PATH, "POST", WISH, headers)[0] == 200
    assert running.breaker()["state"] == "FORCED_OPEN"


@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
    {"Content_Type": "text/plain"}, {"Content_Type": "multipart/form-data"}, {"Host": "evil.example"}])
def test_a_page_in_an_operators_browser_changes_nothing(gateway, upstream, headers):
    running = gateway(upstream())
    assert change(running, **headers)[0] in (403, 415)
    assert running.breaker()["state"] == "CLOSED"


@pytest.mark.parametrize("host,status", [
    ("localhost", 200), ("LocalHost:8081", 200), ("127.0.0.1", 200), ("[::1]:8081", 200), ("10.0.0.7:9000", 200),
    ("evil.example", 403), ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("127.0.0.1evil", 403),
    ("[::1", 403), ("[evil]", 403), ("x" * 100, 403)])
def test_names_that_are_not_ours(gateway, upstream, host, status):
    """DNS rebinding: a page reads the answers of whatever its own name is pointed to."""
    got, headers, _ = gateway(upstream()).ask_admin("/metrics", headers={"Host": host})
    assert got == status
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_with_a_token_nobody_changes_anything_without_it(gateway, upstream, token_file):
    port = free_port()
    running = gateway(upstream(), admin={"listen": f"127.0.0.1:{port}", "token_file": str(token_file)})
    running.admin_port = port
    for wrong in ({}, {"Authorization": TOKEN}, {"Authorization": "Bearer "}, {"Authorization": "Basic " + TOKEN},
                  {"Authorization": f"Bearer {TOKEN[:-1]}"}, {"Authorization": f"Bearer {TOKEN}x"}):
        status, text = change(running, **wrong)
        assert status == 401 and TOKEN not in text
    assert running.breaker()["state"] == "CLOSED", "reading takes none"
    assert change(running, Authorization=f"Bearer {TOKEN}")[0] == 200
    assert running.breaker()["state"] == "FORCED_OPEN"
    token_file.write_text("another-token-of-some-length")
    running.reload()
    until(lambda: change(running, Authorization=f"Bearer {TOKEN}")[0] == 401, "the new token")
    assert change(running, Authorization="Bearer another-token-of-some-length")[0] == 200
    assert TOKEN not in running.stderr


def test_a_listener_for_others_needs_a_token_to_change_something(gateway, upstream, token_file):
    behind, port = upstream(), free_port()
    running = gateway(behind, admin=f"0.0.0.0:{port}")
    running.admin_port = port
    status, text = change(running)
    assert status == 403 and "token_file" in text, "it says what to do"
    assert running.ask_admin("/metrics", headers={"Host": "gateway.hospital.example"})[0] == 200, "scraped by name"
    token_file.rename(os.path.join(running.folder, "token"))
    running.configure(behind, admin={"listen": f"0.0.0.0:{port}", "token_file": "token"})
    running.reload()
    assert change(running, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_the_token_is_not_printed_and_must_be_one(gateway, upstream, tmp_path, token_file):
    file = tmp_path / "gateway.yml"
    text = ("admin: { token_file: token }\nupstreams: { patient: { url: 'http://127.0.0.1:1' } }\n"
            "routes: [ { path: /, upstream: patient } ]\n")
    file.write_text(text)
    printed = run("--print-config", "--config", str(file))
    assert printed.returncode == 0 and TOKEN not in printed.stdout and f'token_file: "{token_file}"' in printed.stdout
    for bad in ("short", "two lines of it\nare no token", "with a blank somewhere", ""):
        token_file.write_text(bad)
        told = run("--check", "--config", str(file))
        assert told.returncode == 2 and "gateway.yml:1:22: error:" in told.stderr
        assert not bad or bad not in told.stderr
    os.remove(token_file)
    assert "No such file" in run("--check", "--config", str(file)).stderr


PAGES = ("/metrics", "/upstreams", "/actuator", "/actuator/health", "/actuator/gateway/routes", "/actuator/circuitbreakers",
         "/actuator/circuitbreakerevents")


def test_no_secret_is_told_to_anybody(gateway, upstream):
    """Neither what the environment gave nor what clients send to prove who they are, in no log and on no page."""
    behind = upstream()
    route = {"path": "/", "request_headers": {"set": {"X-Key": "key ${TEST_SECRET}"}}}
    running = gateway(behind, [route], env={**os.environ, "TEST_SECRET": "hush-hush"}, log_level="debug")
    Client(running.port).request(headers={"Authorization": "Basic c2VjcmV0", "Cookie": "session=topsecret"})
    assert behind.requests[0].get("X-Key") == "key hush-hush" and behind.requests[0].get("Cookie") == "session=topsecret"
    running.log(1)
    told = running.stderr + "".join(running.lines) + "".join(running.ask_admin(page)[2] for page in PAGES)
    assert "key ${TEST_SECRET}" in told, "the pages were asked"
    assert not [secret for secret in ("hush-hush", "c2VjcmV0", "topsecret") if secret in told]


def rewritable_memory(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end, rights = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if rights.startswith("rw"):
                memory.seek(int(begin, 16))
                yield memory.read(int(end, 16) - int(begin, 16))


@pytest.mark.skipif(os.geteuid() != 0 or IS_SANITIZED, reason="the memory of a process that can't be dumped is for root only")
def test_a_token_that_is_replaced_is_wiped(gateway, upstream, token_file):
    behind = upstream()
    keys = {"listen": f"127.0.0.1:{free_port()}", "token_file": str(token_file)}
    running = gateway(behind, admin=keys)
    assert any(TOKEN.encode() in part for part in rewritable_memory(running.process.pid))
    token_file.write_text("another-token-of-some-length")
    running.reload()

    def is_wiped():
        Client(running.port).request()  # workers let go of the old configuration when they have something to do
        return not any(TOKEN.encode() in part for part in rewritable_memory(running.process.pid))

    until(is_wiped, "nothing of the old token is left")


@pytest.mark.parametrize("path", ["/actuator/health", "/metrics", "/livez", PATH, "/upstreams", "//metrics", "/patient/../metrics"])
def test_no_admin_path_through_the_public_listener(gateway, upstream, path):
    behind = upstream()
    running = gateway(behind, [{"path": "/patient"}])
    for method, body in (("GET", b""), ("POST", WISH.encode())):
        assert Client(running.port).request(method, path, JSON, body).status in (400, 404)
    assert not behind.requests and running.breaker()["state"] == "CLOSED"


def test_an_admin_path_of_a_service_is_the_services(gateway, upstream):
    behind = upstream()
    running = gateway(behind)
    assert Client(running.port).request("GET", "/actuator/health").body == b"ok"
    assert behind.requests[0].target == "/actuator/health"


@pytest.mark.parametrize("via", [None, "1.1 gateway, 1.1 evil", "1.1 evil"])
def test_a_route_that_leads_to_the_admin_listener_leads_nowhere(gateway, upstream, via):
    """By a slip of the configuration, or because a name points there: what comes through a gateway's front door is not trusted."""
    port = free_port()
    running = gateway({"patient": f"http://127.0.0.1:{port}"}, admin=f"127.0.0.1:{port}")
    running.admin_port = port
    fields = {**JSON, "Host": "localhost", **({"Via": via, "Connection": "Via"} if via else {})}
    for path in ("/metrics", "/livez", "/actuator/health", "/hystrix.stream", "/nothing"):
        assert Client(running.port).request("GET", path, fields).status == 403
    assert Client(running.port).request("POST", PATH, fields, WISH.encode()).status == 403
    assert running.breaker()["state"] == "CLOSED"
    assert running.ask_admin("/livez", headers={"Via": "1.1 another"})[0] == 200, "another proxy is the operator's own business"


FORCED = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(WISH)}\r\n\r\n{WISH}"


def chunk(text):
    return f"{len(text):x}\r\n{text}\r\n0\r\n\r\n"


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "REPORT"])
@pytest.mark.parametrize("edits", [{}, {"remove": ["Via"]}], ids=["", "the route removes Via"])
def test_a_body_on_a_route_to_the_admin_listener_is_no_request(gateway, upstream, method, framing, edits):
    """evhttp leaves the bodies of most methods unread, and no Via of ours stands in them."""
    port = free_port()
    running = gateway({"patient": f"http://127.0.0.1:{port}"}, [{"path": "/", "request_headers": edits}], admin=f"127.0.0.1:{port}")
    running.admin_port = port
    for _ in range(3):
        asking = Client(running.port)
        asking.ask(method, "/livez", {"Host": "localhost", "Transfer-Encoding": "chunked"} if framing == "chunks" else {"Host": "localhost"},
                   (chunk(FORCED) if framing == "chunks" else FORCED).encode())
        assert asking.answer(method).status in (400, 403, 501)
        asking.close()
    assert Client(running.port).request("GET", "/livez").status == 403
    assert running.breaker()["state"] == "CLOSED"


@pytest.mark.parametrize("head", [
    "GET /livez HTTP/1.1\r\nContent-Length: {length}", "HEAD /livez HTTP/1.1\r\nContent-Length: {length}",
    "DELETE /livez HTTP/1.1\r\nContent-Length: {length}", "OPTIONS /livez HTTP/1.1\r\nTransfer-Encoding: chunked",
    "GET /livez HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", "POST /livez HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: {length}",
    "POST /livez HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 0", "GET /nothing HTTP/1.1", "PUT /livez HTTP/1.1",
    "GET /livez HTTP/1.1\r\nHost: evil.example"])
def test_nothing_behind_a_refused_request_is_read(gateway, upstream, head):
    """Nor behind one whose end another proxy in front of the listener could see elsewhere."""
    running = gateway(upstream())
    asking = Client(running.admin_port)
    asking.send(head.format(length=len(FORCED)) + ("" if "Host:" in head else "\r\nHost: localhost") + "\r\n\r\n" + FORCED)
    answer = asking.answer(head.split()[0])
    assert answer.status in (400, 403, 404, 405, 413) and answer.get("Connection") == "close"
    assert asking.is_closed()
    assert running.breaker()["state"] == "CLOSED"


def test_a_route_that_removes_via_does_not_lead_to_the_admin_listener(gateway, upstream):
    port = free_port()
    running = gateway({"patient": f"http://127.0.0.1:{port}"}, [{"path": "/", "request_headers": {"remove": ["Via"]}}],
                      admin=f"127.0.0.1:{port}")
    running.admin_port = port
    fields = {**JSON, "Host": "localhost"}
    for _ in range(2):
        assert Client(running.port).request("GET", "/metrics", fields).status == 403
        assert Client(running.port).request("POST", PATH, fields, WISH.encode()).status == 403
    assert running.breaker()["state"] == "CLOSED"
    assert running.ask_admin("/livez")[0] == 200, "others are still served"


# ---- clients that take nothing


@pytest.fixture
def verbose(gateway):
    """Its /actuator/gateway/routes is more than a megabyte."""
    return gateway({"nobody": f"http://127.0.0.1:{free_port()}"},
                   [{"path": f"/{number}/{'x' * 200}", "upstream": "nobody"} for number in range(3000)])


@pytest.fixture
def unread(verbose):
    """unread(path): a client that has asked for it, and reads no more than the answer's beginning."""
    def ask(path="/actuator/gateway/routes"):
        asking = Client(verbose.admin_port, receive_buffer=1, segment=536)
        asking.ask("GET", path, {"Host": "localhost"})
        asking.held += asking.socket.recv(1)
        return asking

    yield from ended_after(ask, "close")


@pytest.mark.parametrize("path", ["/actuator/gateway/routes", "/hystrix.stream"])
def test_who_sends_and_reads_nothing_has_to_wait(unread, path):
    """What the gateway does not read stays in the kernels' buffers, which are full at some time."""
    asking, sent = unread(path), 0
    asking.socket.settimeout(2)
    try:
        while sent < 256 << 20:
            sent += asking.socket.send(b"x" * 65536)
    except (TimeoutError, ConnectionError):  # or its time is over
        pass
    assert sent < 256 << 20


def test_many_answers_that_nobody_reads_do_not_fill_the_memory(verbose, unread):
    """Beyond 16 MiB in all, those give way whose clients have read nothing for longest."""
    asking = [unread() for _ in range(60)]
    whole = asking[-1].answer()
    assert whole.status == 200 and len(whole.body) > 1 << 20
    with pytest.raises((EOFError, ConnectionError)):
        asking[0].answer()
    assert json.loads(verbose.ask_admin("/actuator/gateway/routes")[2])
    if not IS_SANITIZED:
        assert memory(verbose, "VmHWM") < 64 << 20, memory(verbose, "VmHWM")


def test_pipelined_requests_are_answered_in_turn(gateway, upstream):
    """Also if they are more than the listener reads before it has answered the first, and as large as they may be."""
    running = gateway(upstream())
    asking = Client(running.admin_port)
    wish = WISH.encode().ljust(4096)
    for number in range(20):
        asking.ask("POST", PATH, {**JSON, "Host": "localhost", "X-Filler": "x" * 7000}, wish)
        asking.ask("GET", f"/metrics?name={number}", {"Host": "localhost"})
        asking.ask("GET", "/livez", {"Host": "localhost"})
    for _ in range(20):
        assert asking.answer().status == 200
        assert b"gateway_breaker_state" in asking.answer().body
        assert asking.answer().status == 200
    asking.close()
