"""A page of another origin calls the gateway with the user's cookies, as a browser lets it: only what `cors` says can be sent and read,
and a fallback's text and a refusal can be read, too."""
import pytest

import harness
import process

FALLBACK = "Patient information is currently unavailable\n"
CALL = """
return fetch(arguments[0], { method: arguments[1], credentials: "include", headers: { "X-Token": "secret" }, cache: "no-store" })
    .then((response) => response.text().then((text) => [response.status, text, response.headers.get("X-Total")]), () => "hidden");
"""


def assert_blocked(browser, count):
    """The browser has told whoever looks at its console, and nothing else."""
    told = [line for line in browser.complaints() if "Failed to load resource" not in line]
    assert len(told) == count and all("blocked by CORS policy" in line for line in told)


@pytest.fixture
def page():
    served = harness.Upstream(lambda connection, request: connection.reply(body=b"<!doctype html><title>page</title>", headers=[
        ("Content-Type", "text/html")]))
    yield served
    served.stop()


@pytest.fixture
def service():
    made = harness.Upstream(lambda connection, request: connection.reply(body=b"patient 7", headers=[
        ("X-Total", "1"), ("X-Hidden", "1"), ("Set-Cookie", "session=doctor"), ("Access-Control-Allow-Origin", "*")]))
    yield made
    made.stop()


@pytest.fixture
def start(tmp_path, service):
    yield from harness.ended_after(lambda cors: process.Gateway(
        tmp_path, {"patient": {"url": service.url, "retry": {"attempts": 0}}},
        [{"path": "/", "upstream": "patient", "fallback": FALLBACK.strip(), "methods": ["GET", "PUT", "DELETE"], "cors": cors}]))


def test_a_page_reads_answers_fallbacks_and_refusals(browser, page, service, start):
    started = start({"origins": [page.url], "methods": ["GET", "PUT", "POST"], "headers": ["X-Token"], "expose": ["X-Total"],
                     "credentials": "on"})
    url = f"http://127.0.0.1:{started.port}/patient"
    browser.open(page.url + "/")
    assert browser.run(CALL, url, "GET") == [200, "patient 7", "1"]
    assert browser.run(CALL, url, "PUT") == [200, "patient 7", "1"]
    assert {request.get("X-Token") for request in service.requests} == {"secret"}
    assert service.requests[-1].get("Cookie") == "session=doctor"  # the user's own, which the first answer set
    assert {request.method for request in service.requests} == {"GET", "PUT"}
    assert browser.run(CALL, url, "POST")[0] == 405
    assert browser.run(CALL, url, "DELETE") == "hidden"  # the preflight says no
    service.stop()
    assert browser.run(CALL, url, "GET") == [503, FALLBACK, None]
    assert_blocked(browser, 1)


def test_a_page_of_another_origin_reads_nothing(browser, page, service, start):
    started = start({"origins": ["https://app.example"], "headers": ["X-Token"], "credentials": "on"})
    url = f"http://127.0.0.1:{started.port}/patient"
    browser.open(page.url + "/")
    assert browser.run(CALL, url, "GET") == "hidden"
    assert browser.run('return fetch(arguments[0]).then(() => "read", () => "hidden");', url) == "hidden"
    assert service.requests == []
    assert_blocked(browser, 2)
