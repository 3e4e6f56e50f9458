"""The faults of a swarm, made on purpose."""
import contextlib
import os
import signal
import subprocess

from swarm import FOLDER, NODES, WORK, docker, eventually, process_of


def kill(container, node):
    docker("kill", "--signal", "KILL", container, node=node)


@contextlib.contextmanager
def paused(container, node):
    """Its kernel accepts connections and bytes, nobody reads them. Its engine makes no health checks meanwhile."""
    docker("pause", container, node=node)
    try:
        yield
    finally:
        docker("unpause", container, node=node)


@contextlib.contextmanager
def starved(container, node, share="0.10"):
    """The container has a tenth of a CPU, and shares it with three loops."""
    docker("update", "--cpus", share, container, node=node)
    with open(f"/proc/{process_of(container)}/cgroup") as file:
        groups = [line.strip().split(":", 2)[1:] for line in file]  # version 1: a line for each controller, version 2: "0::/path"
    folder = next(path for names, group in groups for path in (f"/sys/fs/cgroup/{names}{group}", f"/sys/fs/cgroup{group}")
                  if set(names.split(",")) & {"cpu", ""} and os.path.exists(f"{path}/cgroup.procs"))
    loops = [subprocess.Popen(["sh", "-c", f"echo $$ >{folder}/cgroup.procs; while :; do :; done"]) for _ in range(3)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
        docker("update", "--cpus", "2", container, node=node)


@contextlib.contextmanager
def unplugged(node):
    """No goodbye: the cable is pulled."""
    subprocess.run(["ip", "link", "set", node, "down"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "set", node, "up"], check=True)


@contextlib.contextmanager
def without_dns(containers):
    """Swarm's DNS is an address within each container; these get no answer from it."""
    rule = ["OUTPUT", "--destination", "127.0.0.11", "--jump", "DROP"]
    enter = [["nsenter", "--net", "--target", str(process_of(container)), "iptables"] for container in containers]
    for command in enter:
        subprocess.run(command + ["--insert"] + rule, check=True)
    try:
        yield
    finally:
        for command in enter:
            subprocess.run(command + ["--delete"] + rule, check=False)  # a container that has ended took it along


# ---- engines: the one that `run` started, or the one that came after it ----------------------------------------

engines = {}


def engine_process(node):
    """The number of the node's dockerd: the child of unshare."""
    with open(f"{WORK}/{node}/unshare.pid") as file:
        parent = file.read().strip()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/status") as file:
                if f"\nPPid:\t{parent}\n" in file.read():
                    return int(name)
        except OSError:
            continue
    return None


def engine_end(node, number):
    """SIGKILL is a power failure: all of the node's containers are gone with it. SIGTERM is a shutdown in good order."""
    os.kill(engine_process(node), number)
    eventually(lambda: engine_process(node) is None, 30, f"the engine of {node} is gone")
    if node in engines:
        engines.pop(node).wait()


def engine_start(node):
    # With the files that it had, as after a restart of the machine; what hung on its network is gone.
    engines[node] = subprocess.Popen([f"{FOLDER}/engine", node, "--dns", "10.77.0.1", "--label", f"node={node}"])
    eventually(lambda: docker("version", node=node, check=False), 60, f"the engine of {node} answers")


@contextlib.contextmanager
def frozen(nodes=tuple(NODES)):
    """The engines stand still, and with them swarm and its DNS, which then is silent; containers run on."""
    processes = [engine_process(node) for node in nodes]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
