"""What every system test may ask for: a gateway, upstreams and a DNS server that end with the test."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402
import process  # noqa: E402


@pytest.fixture
def upstream():
    """upstream(handler, address=, port=): a scripted server."""
    started = []

    def start(handler=None, **options):
        started.append(harness.Upstream(handler, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def dns(tmp_path):
    server = harness.Dns(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def gateway(tmp_path, upstream):
    """gateway(upstreams, routes, **keys): a running gateway; ends with SIGTERM, and must do so cleanly."""
    started = []

    def start(*arguments, **options):
        folder = tmp_path / f"gateway-{len(started)}"
        folder.mkdir()
        started.append(process.Gateway(folder, *arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def client():
    """client(gateway): a connection to it."""
    opened = []

    def connect(gateway, **options):
        opened.append(harness.Client(gateway.port, **options))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()
