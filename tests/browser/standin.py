"""In a gateway's place: the page's own files with answers that a test makes up, for sizes and for words that no gateway on one machine
would give. It sends the policy that the gateway sends."""
import http.server
import json
import os
import random
import re
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "gateway/admin/page")
TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


def policy():
    """As gateway/admin/assets.c spells it."""
    with open(os.path.join(ROOT, "gateway/admin/assets.c")) as file:
        words = re.search(r'"Content-Security-Policy",\s*((?:"[^"]*"\s*)+)\)', file.read()).group(1)
    return "".join(re.findall(r'"([^"]*)"', words))


def cell(random, state="closed", requests=20, failed=0):
    trend = [requests + random.randrange(-3, 4) for _ in range(120)]
    return {"state": state, "sinceMs": 125000, "calls": requests * 10, "failures": failed * 10, "minimumCalls": 20, "failureThreshold": 50.0,
            "failureRate": 100.0 * failed / max(1, requests), "windowMs": 10000, "inFlight": 3, "maxInFlight": 1024, "maxWaiting": 256,
            "retriesLeft": 12, "requests": " ".join(map(str, trend)), "failed": " ".join(str(failed) for _ in trend),
            "recentMs": 10000, "clientRequests": requests * 10, "clientFallbacks": failed * 10, "upstreamTries": requests * 10,
            "upstreamFailures": failed * 10}


def cluster(upstreams, gateways, replicas, seed=1):
    """One answer of /cluster with so many of everything; replicas of each upstream."""
    dice = random.Random(seed)
    return {
        "wallMs": int(time.time() * 1000), "peers": "tasks.gateway:8081", "refreshMs": 1000,
        "gateways": [{"address": f"10.0.1.{i + 1}:8081", "isSelf": i == 0, "instance": f"gateway-{i}", "name": f"gateway.node{i + 1}", "version": "0.1.0",
                      "config": "0123456789abcdef", "state": "serving", "uptimeMs": 100000, "second": 1000, "ageMs": 100 * (i > 0)} for i in range(gateways)],
        "breakers": [{"name": f"service-{i:02}", "cells": [cell(dice) for _ in range(gateways)]} for i in range(upstreams)],
        "endpoints": [{"upstream": f"service-{i:02}", "address": f"10.{i}.{j // 250}.{j % 250 + 1}:8080",
                       "cells": [{"inFlight": dice.randrange(9)} if dice.random() < .2 else 0 for _ in range(gateways)]}
                      for i in range(upstreams) for j in range(replicas)],
        "overrides": [], "events": []}


class Standin:
    """answers: path -> what json.dumps() takes, or a function that gives it."""

    def __init__(self, answers, port=0):
        self.answers, self.asked, self.raw = answers, [], False  # raw: answers are sent as they are
        standin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                path = self.path.split("?")[0]
                standin.asked.append(self.path)
                name = "page.html" if path == "/" else path.removeprefix("/page/")
                if path == "/" or path.startswith("/page/"):
                    with open(os.path.join(PAGE, os.path.basename(name)), "rb") as file:
                        self.answer(200, file.read(), TYPES[name.rpartition(".")[2]])
                elif path in standin.answers:
                    what = standin.answers[path]
                    self.answer(200, (what if standin.raw else json.dumps(what() if callable(what) else what)).encode(), "application/json")
                else:
                    self.answer(404, b"{}", "application/json")

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def answer(self, status, body, kind):
                self.send_response(status)
                for field, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
                                     ("Content-Security-Policy", policy())):
                    self.send_header(field, value)
                self.end_headers()
                self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, block_on_close = True, False

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
