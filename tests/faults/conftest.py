"""Every promise is a test with a figure: it says what was promised with @pytest.mark.promise(fault, promise), and what came out
with report(). The figures are printed at the end; a full run writes them into RESULTS.md, kept or not."""
import itertools
import os
import subprocess

import pytest

import world
from harness import Dns, ended_after
from results import PEERS, Results, failure, title

PROXIES = ["gateway", *(PEERS if world.IS_FULL else ())]
results = Results(world.HERE, """\
# Results of the fault tests

Written by `make chaos` (`tests/faults/run --full`); nothing here is typed by hand. Each run has its own network namespace, loads at a
fixed rate without coordinated omission, clients that never repeat a request, and the default configuration unless a row says
otherwise. For the peers' rows "kept" says whether they would have kept the gateway's promise; their configurations are in
`peers/`. """, ["fault", "promise", "who", "what was seen", "kept"], ["haproxy", "nginx-light"], world.IS_FULL and os.environ.get("RESULTS"))


def pytest_configure(config):
    config.pluginmanager.register(results)


def pytest_generate_tests(metafunc):
    if "proxy_name" in metafunc.fixturenames:
        without = metafunc.definition.get_closest_marker("without")
        metafunc.parametrize("proxy_name", [name for name in PROXIES if not without or name not in without.args])


@pytest.fixture
def service(tmp_path):
    started = world.Service(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def dns(tmp_path):
    server = Dns(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def gateway(tmp_path, service, dns):
    """gateway(**keys): a gateway with its defaults before the service; ends with SIGTERM, and must do so cleanly."""
    numbers = itertools.count()

    def make(**options):
        options.setdefault("drain", {"delay": "0s", "timeout": "7s"})
        folder = tmp_path / f"gateway-{next(numbers)}"
        folder.mkdir()
        return world.Gateway(folder, service, dns, **options)

    yield from ended_after(make)


@pytest.fixture
def proxy(proxy_name, gateway, tmp_path, service):
    """proxy(**keys of the gateway): the gateway, or in a full run one peer after the other, before the service."""
    def make(**options):
        if proxy_name == "gateway":
            return gateway(**options)
        folder = tmp_path / proxy_name
        folder.mkdir()
        os.chmod(folder, 0o777)
        return world.Peer(proxy_name, folder, service)

    yield from ended_after(make)


@pytest.fixture
def load(tmp_path):
    """load(proxy or url, **options): the counting client, with a record of every request."""
    numbers = itertools.count()

    def make(where, **options):
        options.setdefault("log", tmp_path / f"load-{next(numbers)}")
        return world.Load(getattr(where, "url", where), **options)

    yield from ended_after(make)


@pytest.fixture
def firewall():
    """firewall(words): a rule of iptables for what comes in, in this test's own namespace."""
    rules = []

    def add(*words):
        subprocess.run(["iptables", "-A", "INPUT", *words], check=True)
        rules.append(words)

    yield add
    for words in rules:
        subprocess.run(["iptables", "-D", "INPUT", *words], check=True)


@pytest.fixture
def report(request):
    """report(figures, is_kept, who): one row of the table; what is not kept fails the test, for the gateway."""
    promise = request.node.get_closest_marker("promise").args[1]

    def add(figures, is_kept, who="gateway"):
        results.add(title(request.node), promise, who, figures, "yes" if is_kept else "no")
        assert is_kept or who != "gateway", f"{title(request.node)}: {promise}; it was: {figures}"

    return add


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails before there is a figure has a row, too."""
    outcome = (yield).get_result()
    mark = item.get_closest_marker("promise")
    if mark and outcome.failed and outcome.when != "teardown":
        name = item.funcargs.get("proxy_name", "gateway")
        if (title(item), name) not in results.rows:
            results.add(title(item), mark.args[1], name, failure(call), "no")
