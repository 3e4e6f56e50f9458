"""One stack for all tests, and the table of what was promised and what was seen:

    @pytest.mark.promise("one replica is killed, ten times in a row", "0 failed")
    def test_killed(figure):
        ...
        figure("0 of 27,301 failed, p99 4.1 ms", ["haproxy: 7 of 27,301 failed"])
"""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]

from results import Results, failure, title  # noqa: E402
from swarm import IS_FULL, NODES, deploy, docker, eventually, get, settled  # noqa: E402

results = Results(HERE, """\
# Results of the swarm tests

Written by `make chaos` (`tests/swarm/run --full`); nothing here is typed by hand. A real swarm of three nodes in
network namespaces of one machine, `deploy/hospital-stack.yml` with `deploy/gateway.yml`, which is the default configuration,
three replicas. Loads have a fixed rate without coordinated omission over all nodes that are up; clients never repeat a
request; whatever is not answered with 200 has failed. The peers stand before the same replicas at the same time, at a third
of the rate; their configurations are in `peers/`. """,
                  ["event", "promise", "what was seen", "kept", "peers, at the same time", "took"],
                  ["docker.io", "haproxy", "nginx-light"],  # the image's peers come from the same archive
                  IS_FULL and os.environ.get("RESULTS"))


def pytest_configure(config):
    config.pluginmanager.register(results)


@pytest.fixture
def figure(request):
    """figure("what was measured", [what the peers' was]): also several times."""
    def note(text, peers=()):
        request.node.user_properties.append(("figure", text))
        request.node.user_properties.extend(("peer", peer) for peer in peers)
    return note


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    mark = item.get_closest_marker("promise")
    if mark is None or report.skipped or (report.when != "call" and report.passed) or report.when == "teardown":
        return
    seen = [text for name, text in item.user_properties if name == "figure"] + ([failure(call)] if report.failed else [])
    peers = [text for name, text in item.user_properties if name == "peer"]
    results.add(title(item), mark.args[1], "; ".join(seen), "yes" if report.passed else "**no**", "; ".join(peers),
                f"{report.duration:.0f} s")


@pytest.fixture(scope="session", autouse=True)
def stack():
    eventually(lambda: docker("node", "ls", "--format", "{{.Status}}").split() == ["Ready"] * 3, 30, "three nodes ready")
    deploy()
    for node in NODES:
        eventually(lambda: get(node, "/patient/1").status == 200, 90, f"{node}: the gateway reaches the patients")
        eventually(lambda: get(node, "/reception/1").status == 200, 60, f"{node}: the gateway reaches the reception")
    settled()
