"""Every promise is a test with a figure: it says what was promised with @pytest.mark.promise(fault, promise), and what came out
with report(). The figures are printed at the end; a full run writes them into RESULTS.md, kept or not."""
import os
import platform
import re
import subprocess
import time

import pytest

import world
from harness import Dns

PROXIES = ["gateway"] + (["haproxy", "nginx"] if world.IS_FULL else [])
rows = []
reported = set()  # the tests they are of


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
        reported.add(request.node.nodeid)
        rows.append((fault + (f" ({', '.join(variant)})" if variant else ""), promise, who, figures, is_kept))
        assert is_kept or who != "gateway", f"{fault}: {promise}; it was: {figures}"

    return add


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def line_of(fault, promise, who, figures, is_kept, *run):
    return "| " + " | ".join([fault, promise, who, figures, "yes" if is_kept else "no", *map(str, run)]) + " |"


def version(*command):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
    return re.search(r"\d+\.\d+[^\s/]*", done.stdout + done.stderr).group()


def this_run():
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=world.ROOT, capture_output=True, text=True).stdout.strip()
    return (f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {machine()}; gateway {commit}, "
            f"haproxy {version('haproxy', '-v')}, nginx {version('nginx', '-v')}")


def write_results(path, skipped, silent):
    """Rows of tests that did not run this time stay, and say of which run they are."""
    before = open(path).read() if os.path.exists(path) else ""
    runs = re.findall(r"^- run \d+: (.*)$", before, re.M) + [this_run()]
    kept = {}
    for line in re.findall(r"^\| .* \| \d+ \|$", before, re.M):
        cells = line[2:].split(" | ")
        kept[cells[0], cells[2]] = line
    for row in rows:
        kept[row[0], row[2]] = line_of(*row, len(runs))
    ours = [line for (_, who), line in kept.items() if who == "gateway"]
    with open(path, "w") as file:
        file.write("# What was seen when things broke\n\n"
                   "Written by `make chaos` (`tests/faults/run --full`); nothing here is typed by hand. An own network namespace, loads at a\n"
                   "fixed rate without coordinated omission, clients that never repeat a request, default configuration but for what a row\n"
                   "says. For the peers' rows \"kept\" says whether they would have kept the gateway's promise; their configurations are in\n"
                   "`peers/`. A row is of the last run of its test.\n\n")
        file.writelines(f"- run {number}: {run}\n" for number, run in enumerate(runs, 1))
        file.write(f"\nOf the gateway's {len(ours)} promises {sum(' | yes | ' in line for line in ours)} are kept.\n\n"
                   "| fault | promise | who | what was seen | kept | run |\n|---|---|---|---|---|---|\n")
        file.writelines(line + "\n" for line in kept.values())
        file.writelines(f"\nFailed before there was a figure: {name}\n" for name in silent)
        file.writelines(f"\nNot run: {name}: {reason}\n" for name, reason in skipped)


def pytest_terminal_summary(terminalreporter):
    skipped = [(report.nodeid.split("::")[-1], report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
    terminalreporter.write_line("")
    for line in ["| fault | promise | who | what was seen | kept |", "|---|---|---|---|---|", *(line_of(*row) for row in rows)]:
        terminalreporter.write_line(line)
    for name, reason in skipped:
        terminalreporter.write_line(f"not run: {name}: {reason}")
    if world.IS_FULL and "RESULTS" in os.environ:
        failed = [report.nodeid for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, [])]
        write_results(os.environ["RESULTS"], skipped, [name.split("::")[-1] for name in failed if name not in reported])
