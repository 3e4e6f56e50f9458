"""A real browser before real gateways: three processes, each with an admin listener of its own address and the same port, which find each
other by a name that the test's DNS serves, as those of a swarm do; and two services behind them."""
import itertools
import os
import subprocess
import sys
import threading
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]

import driver  # noqa: E402
import harness  # noqa: E402
import process  # noqa: E402

SHOTS = os.path.join(harness.BUILD, "browser")
TOKEN = "a-token-that-no-page-keeps"
TEXTS = {"patient": "Patient information is currently unavailable", "reception": "Reception information is currently unavailable"}
BREAKER = {"minimum_calls": 10, "open_for": "2s", "open_for_max": "2s", "half_open_calls": 3}


def may_name_hosts():
    done = subprocess.run(["unshare", "--uts", "sh", "-c", "echo gateway >/proc/sys/kernel/hostname"], capture_output=True)
    return done.returncode == 0


def named(name):
    """A prefix that gives a process this host name, which is what swarm does; where that may not be, all have the machine's."""
    return ["unshare", "--uts", "sh", "-c", f'echo {name} >/proc/sys/kernel/hostname; exec "$@"', "sh"] if CAN_NAME else []


CAN_NAME = may_name_hosts()


class Node(process.Gateway):
    """One of several: its admin listener is at an address of its own."""

    def __init__(self, folder, number, admin_port, upstreams, routes=None, **keys):
        self.number, self.admin_address, self.shared_port = number, f"127.0.9.{number}", admin_port
        super().__init__(folder, upstreams, routes, prefix=named(f"gateway.node{number}"), **keys)

    def configure(self, upstreams, routes=None, **keys):
        self.admin_port = self.shared_port
        token = os.path.join(os.path.dirname(self.folder), "token")  # one for all: a configuration that differs is said to
        with open(token, "w") as file:
            file.write(TOKEN)
        admin = {"listen": f"{self.admin_address}:{self.admin_port}", "token_file": token}
        super().configure(upstreams, routes, **{"admin": admin, "workers": 1, **keys})

    @property
    def name(self):
        return f"gateway.node{self.number}" if CAN_NAME else os.uname().nodename

    @property
    def page(self):
        return f"http://{self.admin_address}:{self.admin_port}/"

    def kill(self):
        self.stopped = time.monotonic()
        self.process.kill()
        self.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Load(threading.Thread):
    """One client that asks one gateway again and again, a little slower than it could."""

    def __init__(self, gateway, path):
        super().__init__(daemon=True)
        self.gateway, self.path, self.stopping = gateway, path, threading.Event()
        self.start()

    def run(self):
        client = None
        while not self.stopping.wait(0.04):
            try:
                client = client or harness.Client(self.gateway.port)
                client.request(target=self.path)
            except (OSError, EOFError):
                client = None  # the gateway is gone, perhaps for a while
        if client is not None:
            client.close()

    def stop(self):
        self.stopping.set()
        self.join(harness.GUARD)


class Lab:
    """Services patient (two replicas) and reception (one), a DNS, and gateways."""

    def __init__(self, folder):
        self.folder, self.dns, self.loads, self.nodes, self.numbers = folder, harness.Dns(folder), [], [], itertools.count(1)
        self.service_port = harness.free_port("127.0.8.1", "127.0.8.2", "127.0.8.3")
        self.admin_port = harness.free_port(*(f"127.0.9.{i}" for i in range(1, 5)))
        self.replicas = {f"127.0.8.{i}": harness.Upstream(address=f"127.0.8.{i}", port=self.service_port) for i in (1, 2, 3)}
        self.dns.set("tasks.patient", "127.0.8.1 127.0.8.2")
        self.dns.set("tasks.reception", "127.0.8.3")

    def keys(self, **keys):
        return {"dns": {"servers": [f"127.0.0.1:{self.dns.port}"], "refresh": "200ms", "timeout": "200ms", "verify_service": "off"},
                "cluster": {"peers": f"tasks.gateway:{self.admin_port}", "refresh": "250ms"}, "drain": {"delay": "0s", "timeout": "1s"},
                "defaults": {"breaker": BREAKER, "timeouts": {"response": "1s"}}, **keys}

    def upstreams(self, *more, **patient):
        """`patient`: its own keys."""
        found = {name: {"url": f"http://tasks.{name}:{self.service_port}"} for name in ("patient", "reception", *more)}
        found["patient"].update(patient)
        return found

    def routes(self):
        return [{"path": f"/{name}", "upstream": name, "fallback": text} for name, text in TEXTS.items()]

    def start(self, upstreams=None, routes=None, **keys):
        number = next(self.numbers)
        folder = os.path.join(self.folder, f"node{number}")
        os.mkdir(folder)
        self.nodes.append(Node(folder, number, self.admin_port, upstreams or self.upstreams(), routes or self.routes(), **self.keys(**keys)))
        self.announce()
        return self.nodes[-1]

    def announce(self):
        self.dns.set("tasks.gateway", " ".join(node.admin_address for node in self.nodes))

    def three(self):
        for _ in range(3):
            self.start()
        return self.nodes

    def ask(self, *paths):
        """Clients of all gateways from now on."""
        self.loads += [Load(node, path) for node in self.nodes for path in paths or ("/patient", "/reception")]

    def replica(self, last, handler):
        self.replicas[f"127.0.8.{last}"].handler = handler

    def stop(self):
        for load in self.loads:
            load.stop()
        for node in self.nodes:
            node.stop()
        for replica in self.replicas.values():
            replica.stop()
        self.dns.stop()


@pytest.fixture
def lab(tmp_path):
    made = Lab(str(tmp_path))
    yield made
    made.stop()


class Page(driver.Browser):
    """A browser that complains of what a page's console says."""

    def complaints(self):
        """All but what the network did, which a test may do on purpose."""
        return [entry["message"] for entry in self.console() if entry["source"] != "network"]

    def shot(self, name):
        self.screenshot(os.path.join(SHOTS, f"{name}.png"))

    def card(self, name):
        """The words of an upstream's card."""
        return self.run("return [...document.querySelectorAll('.card')].find((card) => card.querySelector('.name').textContent === arguments[0])?.innerText ?? ''", name)

    def in_card(self, name, selector):
        """Clicks on something in a card."""
        self.run("[...document.querySelectorAll('.card')].find((card) => card.querySelector('.name').textContent === arguments[0])"
                 ".querySelector(arguments[1]).click()", name, selector)

    def see(self, words, where="body", count=1):
        """Waits until the page shows the words so often."""
        self.until(lambda: self.text(where).count(words) >= count, f"{words!r}, {count} times in {where}")

    def see_card(self, name, words, count=1):
        self.until(lambda: self.card(name).count(words) >= count, f"{words!r} in the card of {name}, which says {self.card(name)!r}")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    if not driver.is_here():
        pytest.skip("there is no chromium and chromedriver")
    browser = Page(str(tmp_path_factory.mktemp("chromium")))
    yield browser
    browser.stop()


@pytest.fixture
def browser(chromium):
    """A window of its own size and colours, at no page; after the test its console has said nothing."""
    chromium.open("about:blank")
    chromium.console()
    chromium.resize(1280, 900)
    chromium.colours("light")
    yield chromium
    assert chromium.complaints() == []
    assert "0.0 s" not in chromium.text("body")  # less than can be read is now
