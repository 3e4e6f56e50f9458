"""The fixtures of every system test: a gateway, upstreams and a DNS server that end with the test."""
import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402
import process  # noqa: E402


@pytest.fixture
def upstream():
    """upstream(handler, address=, port=): a scripted server."""
    yield from harness.ended_after(harness.Upstream)


@pytest.fixture
def dns(tmp_path):
    server = harness.Dns(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def gateway(tmp_path, upstream):
    """gateway(upstreams, routes, **keys): a running gateway; ends with SIGTERM, and must do so cleanly."""
    numbers = itertools.count()

    def make(*arguments, **options):
        folder = tmp_path / f"gateway-{next(numbers)}"
        folder.mkdir()
        return process.Gateway(folder, *arguments, **options)

    yield from harness.ended_after(make)


@pytest.fixture
def client():
    """client(gateway): a connection to it."""
    yield from harness.ended_after(lambda gateway, **options: harness.Client(gateway.port, **options), "close")
