"""Words that others choose stay words: whatever stands in a request, in a configuration, in DNS or in another gateway's answer, the page
shows it as text, or leaves it out, and runs nothing."""
import http.server
import json
import threading

import pytest

import harness
import nameserver
import standin
from conftest import TOKEN

EVIL = "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>'\"&<b>"
SHORT = "<img src=x onerror=window.pwned=1>"


def check_nothing_ran(browser):
    assert browser.run("return window.pwned ?? null") is None
    assert browser.run("return document.querySelectorAll('img, iframe, object, embed, body script, [onerror], [onclick], [style*=url]').length") == 0


def poison(value):
    """Every text in it is markup, but for those that the page decides by."""
    if isinstance(value, dict):
        return {key: one if key in ("state", "requests", "failed", "refused") and isinstance(one, str) else poison(one) for key, one in value.items()}
    if isinstance(value, list):
        return [poison(one) for one in value]
    return f"{EVIL}{value}" if isinstance(value, str) else value


@pytest.fixture
def poisoned():
    """A gateway whose every word is markup."""
    whole = standin.cluster(3, 2, 2)
    whole["breakers"][1]["cells"] = [dict(cell, state="open", nextProbeMs=3000, refusesMs=9000, discoveryError="x") for cell in whole["breakers"][1]["cells"]]
    for endpoint in whole["endpoints"]:
        endpoint["cells"] = [{"state": "ejected", "ejectedForMs": 5000, "lastError": "timed out"} for _ in endpoint["cells"]]
    whole["gateways"][1].update(error="no answer", isSilent=False, config="another", version="another")
    whole.update(peersError="refused", overrides=[{"breaker": "service-01", "state": "FORCE_OPEN", "leftMs": 60000, "reason": "why", "by": "who", "at": "where",
                                                   "stamp": "1", "results": ["applied", "applied"]}],
                 events=[{"gateway": 0, "number": 1, "wallMs": 1, "kind": "transition", "upstream": "service-01", "text": "closed -> open: why"}])
    requests = {"requests": [{"wallMs": 1, "kind": "failed", "requestId": "id", "method": "GET", "path": "/x", "upstream": "service-01", "status": 503,
                              "outcome": "breaker_open", "reason": "why", "endpoint": "10.0.0.1:80", "attempts": 2, "wholeUs": 9000}]}
    made = standin.Standin({"/cluster": poison(whole), "/requests": poison(requests),
                            "/actuator/gateway/routes": [{"metadata": {"upstream": EVIL + "service-01", "fallbackStatus": EVIL}}]})
    yield made
    made.stop()


def test_every_word_of_an_answer(poisoned, browser):
    browser.open(poisoned.url)
    browser.see(f"{EVIL}service-01", "#problems")
    browser.see(f"{EVIL}gateway.node1", "#gateways")
    for where in ("#cards", "#events", "#asked"):
        browser.see(EVIL, where)
    browser.run("document.querySelector('[data-wish=FORCE_OPEN]').click()")
    browser.see(EVIL, "#override-title")
    check_nothing_ran(browser)
    browser.shot("foreign-words")


@pytest.mark.parametrize("answer", ["null", "[]", "0", '"x"', "{", "", '{"gateways": 1}', '{"gateways": [null, 1, "x", [], {}]}',
                                    '{"gateways": [{"isSelf": true}], "breakers": [null, 1, {}, {"name": 1, "cells": 1}, {"name": "a", "cells": [1, "x", [], {"state": 1, "calls": "x"}]}], '
                                    '"endpoints": [null, 1, {}, {"upstream": "a", "address": 1, "cells": [1, "x", {"state": {}}]}], "overrides": [null, 1, {}], "events": [null, 1, {}, {"gateway": 99}]}',
                                    '{"gateways": [{"isSelf": true, "__proto__": {"x": 1}, "name": "\\u202e\\u0000evil"}], "breakers": [{"name": "__proto__", "cells": [{"state": "__proto__"}]}, '
                                    '{"name": "constructor", "cells": [{"state": "constructor", "calls": -5, "requests": "1e9 x"}]}]}'])
def test_an_answer_of_another_shape_breaks_nothing(browser, answer):
    """The page says what it can't understand, and goes on asking."""
    made = standin.Standin({"/cluster": answer, "/requests": answer, "/actuator/gateway/routes": "[]"})
    try:
        made.raw = True
        browser.open(made.url)
        browser.until(lambda: len([path for path in made.asked if path.startswith("/cluster")]) >= 2, "it goes on asking")
        check_nothing_ran(browser)
        made.raw = False
        made.answers.update({"/cluster": standin.cluster(1, 1, 1), "/requests": {}, "/actuator/gateway/routes": []})
        browser.see_card("service-00", "closed")
    finally:
        made.stop()


class Peer:
    """At a peer's address: somebody whose answer holds markup wherever a gateway's would hold a text."""

    def __init__(self, address, port):
        words = {"format": 1, "instance": "evil-1", "name": SHORT, "version": SHORT[:32], "config": "<b>x</b>", "state": "serving", "uptimeMs": 1, "wallMs": 1,
                 "second": 1, "overrides": [],
                 "upstreams": [{"name": SHORT, "state": "open", "sinceMs": 1, "calls": 9, "failures": 9, "discoveryError": EVIL, "requests": "1 2",
                                "endpoints": [{"address": SHORT, "state": SHORT, "lastError": EVIL}]}],
                 "events": [{"number": 1, "wallMs": 1, "kind": SHORT, "upstream": SHORT, "text": EVIL}]}

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                body = json.dumps(words).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_request_and_a_peer(lab, browser):
    """Through a real gateway: what clients send, and what another program at a peer's address answers."""
    node = lab.start()
    peer = Peer("127.0.9.4", lab.admin_port)
    try:
        lab.dns.set("tasks.gateway", f"{node.admin_address} 127.0.9.4")
        for last in (1, 2, 3):
            lab.replica(last, harness.failing)
        client = harness.Client(node.port)
        for target in (f"/patient/{SHORT.replace(' ', '%20')}", "/patient/%3Cscript%3Ewindow.pwned=1%3C/script%3E", "/patient/x"):
            client.request(target=target, headers={"X-Request-Id": SHORT})
            client.close()
            client = harness.Client(node.port)
        client.close()
        browser.open(node.page)
        browser.see(SHORT, "#gateways")
        browser.see(SHORT, "#events")
        browser.see("/patient/", "#asked", 2)
        browser.see("script%3E", "#asked")
        check_nothing_ran(browser)
    finally:
        peer.stop()


def test_a_name_in_dns_and_an_operators_reason(lab, browser):
    """Whoever answers for the reverse zone chooses an address's own name (one that is no host's name c-ares refuses); an operator, or
    whoever has the token, chooses a reason."""
    names = {"1.8.0.127": "hospital_pharmacy.1.x.net", "2.8.0.127": f"hospital_{SHORT}.1.x.net", "3.8.0.127": "hospital_reception.1.x.net"}
    addresses = {"tasks.patient": ("127.0.8.1", "127.0.8.2"), "tasks.reception": ("127.0.8.3",)}

    def answer(query):
        if query.type == nameserver.PTR:
            name = names.get(query.name.removesuffix(".in-addr.arpa"))
        else:
            name = addresses.get(query.name)
        return [query.reply(code=nameserver.NXDOMAIN)] if name is None else [query.reply(*([name] if isinstance(name, str) else name))]
    server = nameserver.NameServer(answer)
    try:
        node = lab.start(cluster=None, dns={"servers": [f"127.0.0.1:{server.port}"], "refresh": "200ms"})
        browser.open(node.page)
        browser.see_card("patient", "quarantined")
        browser.see_card("patient", "hospital_pharmacy")
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        body = json.dumps({"updateState": "METRICS_ONLY", "reason": SHORT + EVIL})
        assert node.ask_admin("/cluster/breakers/reception", "POST", body, headers)[0] == 200
        browser.see_card("reception", SHORT + EVIL)
        browser.see(SHORT + EVIL, "#events")
        check_nothing_ran(browser)
    finally:
        server.stop()


def test_the_policy(lab):
    """No inline code, nothing from elsewhere, nobody frames it, and no text becomes code."""
    node = lab.start()
    for path in ("/", "/page/main.js"):
        fields = node.ask_admin(path, headers={"Accept": "text/html"})[1]
        rules = dict(rule.strip().split(" ", 1) for rule in fields["Content-Security-Policy"].split(";"))
        assert rules == {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'", "connect-src": "'self'",
                         "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'", "require-trusted-types-for": "'script'"}
        assert (fields["Referrer-Policy"], fields["X-Content-Type-Options"], fields["Cache-Control"]) == ("no-referrer", "nosniff", "no-store")
        assert not any("Access-Control" in name for name in fields)
