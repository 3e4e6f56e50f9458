"""The live page before three real gateways: what an operator has to see, and what the buttons do. Screenshots: build/browser/."""
import json
import signal
import threading

import pytest

import conftest
import harness
import standin
from conftest import TOKEN

ALL = "on all 3 gateways"


def failing_503(connection, request):
    connection.reply(503, b"not now")


@pytest.fixture
def three(lab, browser):
    """Three gateways with clients, and the page of the first, which shows all of them."""
    lab.three()
    lab.ask()
    browser.open(lab.nodes[0].page)
    browser.see("3 of 3 gateways answer.")
    for name in ("patient", "reception"):
        browser.see_card(name, "closed", 3)
        browser.see_card(name, "/s: clients got 100 % an answer.")
    return lab


def fill_override(browser, name, wish, reason="maintenance", token=TOKEN, span="15m"):
    browser.in_card(name, f"[data-wish={wish}]")
    browser.see("On all gateways.", "#override")
    browser.type("#override-reason", reason)
    browser.run("document.getElementById('override-token').value = arguments[0]; document.getElementById('override-for').value = arguments[1]", token, span)


def test_calm(three, browser):
    browser.see("All is well: 2 upstreams")
    for colours in ("light", "dark"):
        browser.colours(colours)
        browser.shot(f"calm-{colours}")
    browser.resize(400, 800)
    browser.shot("calm-400")
    assert browser.run("return document.documentElement.scrollWidth") <= 400


def test_a_service_that_is_down_everywhere_and_back(three, browser):
    for last in (1, 2):
        three.replica(last, failing_503)
    browser.see(f"patient is down {ALL} since")
    browser.see_card("patient", "The service as a whole (2 replicas), not one node.")
    browser.see_card("patient", "the fallback (503)")
    browser.see_card("patient", "open, next try in", 3)
    browser.see_card("patient", "the upstream reported 502, 503 or 504 (127.0.8.1")
    browser.see("closed → open", "#events", 3)
    browser.shot("down-light")
    browser.colours("dark")
    browser.shot("down-dark")
    browser.resize(400, 800)
    browser.shot("down-400")
    assert browser.run("return document.documentElement.scrollWidth") <= 400
    browser.resize(1280, 900)
    for last in (1, 2):
        three.replica(last, harness.plain)
    browser.see("half_open → closed", "#events", 3)
    browser.see("All is well: 2 upstreams")


def at_node_2(connection, request):
    """Whoever comes from the second gateway, whose clients say so, finds the connection closed."""
    (harness.closing if "two" in request.target else harness.plain)(connection, request)


def from_node_2(lab, *others):
    lab.three()
    for last in (1, 2):
        lab.replica(last, at_node_2)
    lab.loads += [conftest.Load(lab.nodes[1], "/patient/two"), *(conftest.Load(lab.nodes[index], "/patient") for index in others)]


def test_a_service_that_one_node_does_not_reach(lab, browser):
    from_node_2(lab, 0, 2)
    browser.open(lab.nodes[0].page)
    browser.see(f"patient is down on {lab.nodes[1].name} only, of 3 gateways since")
    browser.see_card("patient", "Other gateways are served by it: look at that node and its network, not at the service.")
    browser.see_card("patient", "At once the fallback (503); at the other gateways the upstream's answer.")
    browser.see("None at this gateway.", "#requests")
    browser.shot("one-node")


def test_a_service_for_which_only_one_gateway_has_clients(lab, browser):
    """Whether the others would be served is not known, and so not said."""
    from_node_2(lab)
    browser.open(lab.nodes[0].page)
    browser.see(f"patient is down on {lab.nodes[1].name} only, of 3 gateways since")
    browser.see_card("patient", "Node or service? The other gateways have too few requests to tell.")


def test_a_service_that_is_scaled_to_nothing(three, browser):
    for last in (1, 2):
        three.replicas[f"127.0.8.{last}"].stop()
    three.dns.set("tasks.patient", "NXDOMAIN")
    browser.see("patient has no replica")
    browser.see("patient has no replica since", "#problems")
    browser.see_card("patient", "No replica: the service is scaled to 0, or its name is wrong. DNS: no such name.")
    browser.see_card("patient", "the fallback (503)")
    browser.see_card("patient", "As soon as DNS names a replica.")
    browser.shot("no-replica")
    browser.colours("dark")
    browser.resize(400, 800)
    browser.shot("no-replica-dark-400")


def test_a_gateway_whose_dns_names_no_replica(lab, browser, tmp_path_factory):
    lab.start()
    other = harness.Dns(str(tmp_path_factory.mktemp("other")))
    try:
        other.set("tasks.reception", "127.0.8.3")
        lab.start(dns={"servers": [f"127.0.0.1:{other.port}"], "refresh": "200ms", "timeout": "200ms", "verify_service": "off"})
        lab.ask("/patient")
        browser.open(lab.nodes[0].page)
        browser.see(f"patient has no replica on {lab.nodes[1].name} only, of 2 gateways since")
        browser.see_card("patient", "Other gateways know its replicas: look at that node's DNS and network.")
        browser.see_card("patient", "DNS: no such name.")
        browser.see_card("patient", "At once the fallback (503); at the other gateways the upstream's answer.")
        browser.shot("no-replica-at-one")
    finally:
        other.stop()


def test_a_service_whose_replicas_are_all_unhealthy(lab, browser):
    """They say so only to the health check: requests get an answer."""
    def ill(connection, request):
        (failing_503 if request.target == "/health" else harness.plain)(connection, request)

    for last in (1, 2):
        lab.replica(last, ill)
    check = {"path": "/health", "interval": "200ms", "timeout": "200ms"}
    lab.start(upstreams=lab.upstreams(health_check=check))
    lab.ask("/patient")
    browser.open(lab.nodes[0].page)
    browser.see("patient has 2 of 2 replicas out: 127.0.8.1")
    browser.see_card("patient", "The service as a whole (2 replicas), not one node. Requests still go to them, as none is better.")
    browser.see("since", "#problems")
    browser.see_card("patient", "All get an answer.")
    browser.see_card("patient", "With the next health check.")
    browser.shot("unhealthy")


def test_a_service_without_a_breaker_that_fails(lab, browser):
    """No breaker opens, and no replica is ejected, so only the clients tell."""
    lab.start(upstreams=lab.upstreams(breaker="off", ejection="off"))
    lab.ask("/patient", "/reception")
    browser.open(lab.nodes[0].page)
    browser.see_card("patient", "clients got 100 % an answer.")
    for last in (1, 2):
        lab.replica(last, failing_503)
    browser.see("patient fails for 100 % of clients since")
    browser.see_card("patient", "The upstream failed: the upstream reported 502, 503 or 504 (127.0.8.1")
    browser.see_card("patient", "0 % get the fallback, 100 % an error, the others an answer.")
    browser.see("1 of 2 upstreams down", "#verdict")
    browser.shot("no-breaker")


def test_a_service_for_which_there_is_no_room(lab, browser):
    """A request hangs in the only place; the others are refused, and the upstream is not asked."""
    release = threading.Event()

    def hang(connection, request):
        release.wait(harness.GUARD)
        connection.reply()

    for last in (1, 2):
        lab.replica(last, hang)
    lab.start(upstreams=lab.upstreams(timeouts={"response": "60s"}, bulkhead={"max_in_flight": 1, "max_waiting": 1, "max_wait": "50ms"}))
    lab.ask("/patient")
    lab.ask("/patient")
    try:
        browser.open(lab.nodes[0].page)
        browser.see("patient fails for 100 % of clients since")
        browser.see_card("patient", "The gateway has no room for more at once (bulkhead).")
        browser.see_card("patient", "1 of 1, ")
        assert "two minutes ago" not in browser.card("patient")
        browser.shot("no-room")
    finally:
        release.set()


def test_a_breaker_that_observes(lab, browser):
    """It is open and refuses nothing: clients suffer, and the page says so."""
    lab.start(upstreams=lab.upstreams(ejection="off", breaker={"mode": "observe", "minimum_calls": 10}))
    for last in (1, 2):
        lab.replica(last, failing_503)
    lab.ask("/patient")
    browser.open(lab.nodes[0].page)
    browser.see("patient fails for 100 % of clients since", "#problems")
    browser.see("observing only")
    browser.see_card("patient", "The upstream failed: the upstream reported 502, 503 or 504 (127.0.8.1")
    browser.see("1 of 2 upstreams down", "#verdict")
    browser.shot("observes")


def test_an_open_breaker_that_nobody_asks(three, browser):
    """Its next try waits for a request, and the page says that, not `in 0.0 s`."""
    for last in (1, 2):
        three.replica(last, failing_503)
    browser.see(f"patient is down {ALL}")
    for load in three.loads:
        load.stop()
    browser.see_card("patient", "open, next try with the next request", 3)
    browser.see("Next try: with the next request.", "#problems")


def test_half_open(three, browser):
    """Its probes hang, so that it stays half-open."""
    release = threading.Event()

    def hang(connection, request):
        release.wait(harness.GUARD)
        connection.reply()

    for last in (1, 2):
        three.replica(last, harness.closing)
    browser.see(f"patient is down {ALL}")
    for last in (1, 2):
        three.replica(last, hang)
    try:
        browser.see_card("patient", "half-open")
        browser.shot("half-open")
    finally:
        release.set()


def test_a_replica_that_is_ejected(three, browser):
    three.replica(2, harness.closing)
    browser.see("patient has 1 of 2 replicas out: 127.0.8.2")
    browser.see_card("patient", "All gateways find so: the replica, not a node.")
    browser.see("patient has 1 of 2 replicas out: 127.0.8.2", "#problems")
    browser.see("since", "#problems")
    browser.see_card("patient", "ejected", 3)
    browser.shot("ejected")


def test_a_gateway_that_is_killed_and_comes_back_no_more(three, browser):
    three.nodes[2].kill()
    browser.see("2 of 3 gateways answer.")
    browser.see("1 of 3 gateways silent", "#verdict")
    assert browser.run("return document.title").startswith("▲ 1 ")
    browser.see(f"{three.nodes[2].admin_address}:{three.admin_port}, silent for", "#gateways")
    browser.see_card("patient", "no word")
    browser.shot("killed")


def test_a_gateway_with_another_configuration(lab, browser):
    lab.start()
    lab.start()
    lab.start(upstreams=lab.upstreams(timeouts={"response": "700ms"}))
    browser.open(lab.nodes[0].page)
    browser.see("3 of 3 gateways answer.")
    browser.see("another configuration", "#gateways")
    browser.see("runs another configuration.")
    browser.shot("configuration")


def test_an_override_on_all_gateways_and_its_end(three, browser):
    fill_override(browser, "patient", "FORCE_OPEN", "database is moved")
    browser.see("will get the fallback", "#override-preview")
    browser.run("document.getElementById('override-for').append(new Option('3 seconds', '3s', true, true))")
    browser.shot("override")
    browser.click("#override-do")
    browser.see("applied", "#override-result", 3)
    browser.shot("override-result")
    browser.press("\ue00c")
    browser.see_card("patient", f"is forced open {ALL}")
    browser.see_card("patient", "database is moved")
    for node in three.nodes:
        assert any("database is moved" in line for line in node.errors), node.stderr
    browser.see("FORCE_OPEN is over", "#events", 3)
    browser.see("All is well: 2 upstreams")
    assert browser.run("return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])").find(TOKEN) < 0


def test_an_override_that_is_undone_by_hand(three, browser):
    fill_override(browser, "patient", "METRICS_ONLY")
    browser.click("#override-do")
    browser.see("applied", "#override-result", 3)
    browser.press("\ue00c")
    browser.see_card("patient", f"is observing {ALL}")
    browser.in_card("patient", "[data-wish=CLOSE]")
    browser.type("#override-reason", "enough")
    browser.click("#override-do")  # the token is remembered
    browser.see("applied", "#override-result", 3)
    browser.press("\ue00c")
    browser.see("All is well: 2 upstreams")


def test_an_answer_that_comes_after_its_dialog_was_closed(browser):
    """It is not for the dialog that is open by then, of the same breaker or of another."""
    whole, path, release = standin.cluster(2, 1, 1), "/cluster/breakers/service-00", threading.Event()
    whole["overrides"] = [{"breaker": "service-00", "state": "FORCE_OPEN", "leftMs": 60000, "reason": "why", "stamp": "1", "results": ["applied"]}]

    def late():
        release.wait(harness.GUARD)
        return {"stamp": "1"}

    made = standin.Standin({"/cluster": whole, "/requests": {"requests": []}, "/actuator/gateway/routes": [], path: late,
                            "/cluster/breakers/service-01": {"stamp": "2"}})
    try:
        browser.open(made.url)
        browser.see("service-00", "#cards")
        for name, wish in (("service-00", "CLOSE"), ("service-01", "DISABLE")):
            asked = made.asked.count(path)
            release.clear()
            browser.run("performance.clearResourceTimings()")
            fill_override(browser, "service-00", "FORCE_OPEN")
            browser.click("#override-do")
            browser.until(lambda: made.asked.count(path) > asked, "the request")
            browser.press("\ue00c")
            fill_override(browser, name, wish)
            assert browser.run("return document.getElementById('override-do').disabled") is False
            release.set()
            browser.until(lambda: browser.run("return performance.getEntriesByType('resource').some((one) => one.name.endsWith(arguments[0]))", path), "the answer")
            turns = len(made.asked)
            browser.until(lambda: len(made.asked) > turns + 3, "two turns of the page")
            assert "Done." not in browser.text("#override")
            assert browser.run("return document.getElementById('override-do').checkVisibility()")
            browser.press("\ue00c")
        fill_override(browser, "service-01", "DISABLE")
        browser.click("#override-do")
        browser.see("Done.", "#override-preview")
    finally:
        release.set()
        made.stop()


def test_a_wrong_token_changes_nothing(three, browser):
    fill_override(browser, "patient", "FORCE_OPEN", token="guessed")
    browser.click("#override-do")
    browser.see("This is not the token of admin.token_file; nothing was changed.", "#override-error")
    browser.shot("wrong-token")
    assert {node.breaker()["state"] for node in three.nodes} == {"CLOSED"}
    assert [entry["message"] for entry in browser.console() if "401" not in entry["message"]] == []


def test_the_connection_is_lost_and_comes_back(three, browser):
    first = three.nodes[0]
    first.signal(signal.SIGSTOP)
    try:
        browser.see("it does not answer", "#lost")
        browser.see("What you see is", "#lost")
        browser.shot("lost")
    finally:
        first.signal(signal.SIGCONT)
    browser.until(lambda: browser.text("#lost") == "", "the complaint goes")
    first.kill()
    browser.see("it can't be reached", "#lost")
    browser.console()


def test_a_gateway_alone(lab, browser):
    lab.start(cluster=None)
    lab.ask()
    browser.open(lab.nodes[0].page)
    browser.see("One gateway; cluster.peers names no others.")
    browser.see_card("patient", "closed")
    browser.shot("alone")


def test_requests_that_were_refused(three, browser):
    for last in (1, 2):
        three.replica(last, harness.closing)
    browser.see(f"patient is down {ALL}")
    browser.see("breaker open", "#asked")
    one = browser.run("return [...document.querySelectorAll('#asked a')].map((link) => link.textContent).find(Boolean)")
    browser.run("location.hash = '#request=' + arguments[0]", one)
    browser.until(lambda: browser.run("return document.querySelectorAll('#asked > li').length") == 1, "one request is left")
    browser.shot("requests")


def test_the_list_is_for_clients_that_ask_for_text(lab):
    node = lab.start()
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}, {"Accept": "text/html, text/plain;q=0.5"}):
        status, fields, text = node.ask_admin("/", headers=accept)
        assert (status, fields["Content-Type"], fields["Vary"]) == (200, "text/html; charset=utf-8", "Accept") and "<!doctype html>" in text
    for accept in ("text/plain", "text/plain, text/html;q=0.5"):
        status, fields, text = node.ask_admin("/", headers={"Accept": accept})
        assert (status, fields["Content-Type"]) == (200, "text/plain; charset=utf-8") and "/actuator/health" in text
    assert node.ask_admin("/page/nothing")[0] == 404 and node.ask_admin("/page/../main.js")[0] == 404
    assert json.loads(node.ask_admin("/page/nothing")[2])["status"] == 404


def test_the_keyboard_is_enough(three, browser):
    """Every control is reached by Tab, shows its focus, and the dialog opens, takes words and closes."""
    wanted = browser.run("return [...document.querySelectorAll('a, button, input, select, .scroll')].filter((one) => one.offsetParent !== null).length")
    seen = set()
    for _ in range(wanted * 2):
        browser.press("\ue004")
        number, has_ring = browser.run("const at = document.activeElement; at.number ??= (window.count = (window.count ?? 0) + 1);"
                                       "return [at.number, at === document.body || getComputedStyle(at).outlineStyle !== 'none']")
        assert has_ring
        seen.add(number)
    assert len(seen) >= wanted
    browser.run("document.querySelector('[data-wish=FORCE_OPEN]').focus()")
    browser.press("\ue007")
    browser.see("On all gateways.", "#override")
    assert browser.run("return document.activeElement.id") == "override-reason"
    browser.press("\ue00c")
    assert not browser.run("return document.getElementById('override').open")
