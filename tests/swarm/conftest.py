"""One stack for all tests; promises.py makes the table."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from promises import figure, pytest_configure, pytest_runtest_makereport, pytest_terminal_summary  # noqa: E402,F401
from swarm import NODES, deploy, docker, eventually, get, settled  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def stack():
    eventually(lambda: docker("node", "ls", "--format", "{{.Status}}").split() == ["Ready"] * 3, 30, "three nodes ready")
    deploy()
    for node in NODES:
        eventually(lambda: get(node, "/patient/1").status == 200, 90, f"{node}: the gateway reaches the patients")
        eventually(lambda: get(node, "/reception/1").status == 200, 60, f"{node}: the gateway reaches the reception")
    settled()
