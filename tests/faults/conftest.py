"""Every promise is a test with a figure: it says what was promised with @pytest.mark.promise(fault, promise), and what came out
with report(). The figures are printed at the end; a full run writes them into RESULTS.md, kept or not."""
import os
import platform
import subprocess
import time

import pytest

import world
from harness import Dns

PROXIES = ["gateway"] + (["haproxy", "nginx"] if world.IS_FULL else [])
rows = []


def pytest_configure(config):
    config.addinivalue_line("markers", "promise(fault, promise): what is broken, and what holds nevertheless")


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
    started = []

    def start(**options):
        options.setdefault("drain", {"delay": "0s", "timeout": "7s"})
        folder = tmp_path / f"gateway-{len(started)}"
        folder.mkdir()
        started.append(world.Gateway(folder, service, dns, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def proxy(proxy_name, gateway, tmp_path, service):
    """proxy(**keys of the gateway): the gateway, or in a full run one peer after the other, before the service."""
    started = []

    def start(**options):
        if proxy_name == "gateway":
            return gateway(**options)
        folder = tmp_path / proxy_name
        folder.mkdir()
        os.chmod(folder, 0o777)
        started.append(world.Peer(proxy_name, folder, service))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def load(tmp_path):
    """load(proxy or url, **options): the counting client, with a record of every request."""
    started = []

    def start(where, **options):
        options.setdefault("log", tmp_path / f"load-{len(started)}")
        started.append(world.Load(getattr(where, "url", where), **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


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
    fault, promise = request.node.get_closest_marker("promise").args
    variant = [str(value) for name, value in getattr(request.node, "callspec", None).params.items() if name != "proxy_name"] \
        if hasattr(request.node, "callspec") else []

    def add(figures, is_kept, who="gateway"):
        rows.append((fault + (f" ({', '.join(variant)})" if variant else ""), promise, who, figures, is_kept))
        assert is_kept or who != "gateway", f"{fault}: {promise}; it was: {figures}"

    return add


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def table():
    lines = ["| fault | promise | who | what was seen | kept |", "|---|---|---|---|---|"]
    return lines + [f"| {fault} | {promise} | {who} | {figures} | {'yes' if is_kept else 'no'} |"
                    for fault, promise, who, figures, is_kept in rows]


def version(*command):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    return (done.stdout + done.stderr).splitlines()[0]


def pytest_terminal_summary(terminalreporter):
    skipped = [(report.nodeid.split("::")[-1], report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
    terminalreporter.write_line("")
    for line in table():
        terminalreporter.write_line(line)
    for name, reason in skipped:
        terminalreporter.write_line(f"not run: {name}: {reason}")
    if not world.IS_FULL or "RESULTS" not in os.environ:
        return
    failed = [report.nodeid.split("::")[-1] for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, [])]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=world.ROOT, capture_output=True, text=True).stdout.strip()
    with open(os.environ["RESULTS"], "w") as file:
        file.write("# What was seen when things broke\n\n"
                   "Written by `make chaos` (`tests/faults/run --full`); nothing here is typed by hand. One run, an own network namespace,\n"
                   "loads at a fixed rate without coordinated omission, clients that never repeat a request, default configuration but\n"
                   "for what a row says. For the peers' rows \"kept\" says whether they would have kept the gateway's promise; their\n"
                   "configurations are in `peers/`.\n\n"
                   f"- {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {machine()}\n"
                   f"- gateway {commit}; {version('haproxy', '-v')}; {version('nginx', '-v')}\n\n"
                   + "\n".join(table()) + "\n")
        if failed:
            file.write("\nTests that failed: " + ", ".join(failed) + "\n")
        for name, reason in skipped:
            file.write(f"\nNot run: {name}: {reason}\n")
