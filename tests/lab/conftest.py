"""The table of the lab's steps: what was promised and what was seen."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [HERE, os.path.join(TESTS, "swarm"), os.path.join(TESTS, "system")]

from results import Results, failure, title  # noqa: E402

results = Results(HERE, """\
# Results of the lab tests

Written by `make lab-test` (`tests/lab/run`); nothing here is typed by hand. `deploy/lab/run up` makes the lab, with its three stacks,
on an engine of its own in a network namespace of one machine; the clients and JMeter (`deploy/load/run`, 50 users,
each of whom asks again 50 ms after an answer) ask from outside. JMeter repeats no request; whatever is not answered with 200 has
failed. Clients, JMeter, the engine and all services share the machine's processors, so the times are no measurement of the gateway. """,
                  ["step", "promise", "what was seen", "kept", "took"], ["docker.io", "prometheus", "mariadb-server"],
                  os.environ.get("RESULTS"))


def pytest_configure(config):
    config.pluginmanager.register(results)


@pytest.fixture
def figure(request):
    return lambda text: request.node.user_properties.append(("figure", text))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    mark = item.get_closest_marker("promise")
    if mark is None or report.skipped or (report.when != "call" and report.passed) or report.when == "teardown":
        return
    seen = [text for name, text in item.user_properties if name == "figure"] + ([failure(call)] if report.failed else [])
    results.add(title(item), mark.args[1], "; ".join(seen), "yes" if report.passed else "**no**", f"{report.duration:.0f} s")
