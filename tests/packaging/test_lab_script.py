"""deploy/lab/run, which runs as root: it undoes what it made, and nothing else, however it was interrupted.

The script is the real one, in a network namespace of its own. Engine, firewall and bridges are fakes, which come first in PATH and
keep what they have as files and lines of one folder, the machine.
"""
import os
import re
import signal
import subprocess

import pytest

from conftest import PROJECT, make

# A job in the background, such as a whole test run, ignores SIGINT, and so would the lab.
ALONE = ["env", "--default-signal=HUP,INT,TERM", "unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
pytestmark = pytest.mark.skipif(subprocess.run([*ALONE, "true"], capture_output=True).returncode != 0, reason="no network namespaces here")

# What of a stack has which label is told by the name, as with the real engine: hospital_...
DOCKER = r"""#!/bin/bash
cd "$MACHINE"
echo "docker $*" >>calls
[ -e engine ] && kill -0 "$(cat engine)" 2>/dev/null || { echo "no engine answers" >&2; exit 1; }
all="$*" kind=$1
needs_swarm() { [ -e swarm ] || { echo "This node is not a swarm manager." >&2; exit 1; }; }
stack=${all##*com.docker.stack.namespace=}
case $all in
"info --format {{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}") if [ -e swarm ]; then echo active true; else echo inactive false; fi ;;
"info --format {{.Swarm.LocalNodeState}}") if [ -e swarm ]; then echo active; else echo inactive; fi ;;
info) ;;
"swarm init"*)
    [ ! -e swarm-refuses ] || { echo "refused" >&2; exit 1; }
    touch swarm ;;
"swarm leave --force") needs_swarm; rm -f swarm {service,config,secret,container,network}/* ;;
"stack ls"*) needs_swarm; ls -1 service | sed "s/_.*//" ;;
"stack deploy"*)
    needs_swarm
    [ ! -e deploy-fails ] || exit 1
    touch {network,config,secret,service,container}/"${all##* }_patient" "volume/${all##* }_patient_data" ;;
"stack rm"*) needs_swarm; rm -f {network,config,secret,service,container}/"$3"_* ;;
"volume rm"*) [ ! -e volume-in-use ] && [ ! -e "container/${3%_data}" ] || exit 1; rm "volume/$3" ;;
"service ps"*) cat "tasks-${all##* }" ;;
"service ls -q") ls -1 service ;;
"service ls") ;;
"service ls"*name=*) set -- ${all#*name=}; echo "$1 2/2" ;;
"ps -q"*) echo a-gateway ;;
"network inspect"*) echo 172.18.0.3/16 ;;
*namespace=*)
    kind=${kind/ps/container}
    case $kind in service | config | secret) needs_swarm ;; esac
    ls -1 $kind | grep "^${stack}_" || : ;;
*) echo "the fake knows no docker $all" >&2; exit 1 ;;
esac
"""

DOCKERD = r"""#!/bin/bash
cd "$MACHINE"
echo $$ >>engines
[ "$1" = --pidfile ] && { [ ! -e "$2" ] || ! kill -0 "$(cat "$2")" 2>/dev/null; } || { echo "a process with this pid still runs" >&2; exit 1; }
echo $$ >"$2"
for line in "nat -N DOCKER" "nat -A PREROUTING -j DOCKER" "filter -N DOCKER" "filter -A FORWARD -o docker0 -j DOCKER"; do
    grep -qxF -- "$line" firewall || echo "$line" >>firewall
done
sed -i 's/^filter -P FORWARD .*/filter -P FORWARD DROP/' firewall
touch bridge/docker0 bridge/docker_gwbridge
echo 1 >/proc/sys/net/ipv4/ip_forward
trap 'echo TERM >>signals; [ -e engine-stays ] || { rm -f engine "$2"; exit; }' TERM
echo $$ >engine
while sleep 0.05; do :; done
"""

IPTABLES = r"""#!/bin/bash
cd "$MACHINE"
echo "iptables $*" >>calls
table=filter
while :; do
    case $1 in -w) shift ;; -t) table=$2; shift 2 ;; *) break ;; esac
done
operation=$1
shift
without() { grep -qxF -- "$1" firewall || exit 1; grep -vxF -- "$1" firewall >firewall.new; mv firewall.new firewall; }
case $operation in
-S) sed -n "s/^$table //p" firewall | if [ $# = 1 ]; then grep "^-[PNA] $1"; else cat; fi ;;
-P) [ $# = 2 ] && [ -n "$2" ] && [ "${2//$'\n'}" = "$2" ] || { echo "iptables: Bad policy name" >&2; exit 2; }
    sed -i "s/^$table -P $1 .*/$table -P $1 $2/" firewall ;;
-D) [ ! -e rules-stay ] || exit 1; without "$table -A $*" ;;
-X) ! grep -q -- "^$table .*-j $1$" firewall || exit 1; without "$table -N $1" ;;
esac
"""

IP = r"""#!/bin/bash
cd "$MACHINE"
case $* in
"link delete "*) rm "bridge/$3" 2>/dev/null ;;
"-o link show type bridge") for one in $(ls -1 bridge); do echo "7: $one: <UP> mtu 1500 state UP"; done ;;
*) exit 1 ;;
esac
"""

CURL = """#!/bin/sh
case $* in *api/v1/targets*)
    echo '{"data": {"activeTargets": ['
    for job in patient reception ward finance gateway; do printf '{"labels": {"job": "%s"}, "health": "up"},' $job; done
    echo '{"labels": {"job": "autoscaler"}, "health": "up"}]}}' ;;
esac
"""

# What bash reads before the script: nobody waits, and a signal comes before the first command of line $LINE.
BASH_ENV = r"""
[ "$0" = deploy/lab/run ] || return 0
sleep() { SECONDS=$((SECONDS + ${STEP:-1})); command sleep 0.1; }
interrupt() {
    [ "${BASH_SOURCE[1]}" = deploy/lab/run ] || return 0
    [ -z "${LINES_SEEN:-}" ] || echo "$1" >>"$LINES_SEEN"
    [ "$1" != "${LINE:-}" ] || [ -e "$MACHINE/interrupted" ] || { touch "$MACHINE/interrupted"; kill -"$SIGNAL" $$; }
}
[ -z "${LINE:-}${LINES_SEEN:-}" ] || { set -T; trap 'interrupt $LINENO' DEBUG; }
"""

FIREWALL = """\
filter -P INPUT ACCEPT
filter -P FORWARD ACCEPT
filter -P OUTPUT ACCEPT
nat -P PREROUTING ACCEPT
mangle -P PREROUTING ACCEPT
"""


class Machine:
    def __init__(self, folder):
        self.folder = folder / "machine"
        for kind in ("service", "config", "secret", "container", "network", "volume", "bridge"):
            (self.folder / kind).mkdir(parents=True)
        self.write("firewall", FIREWALL)
        programs = folder / "bin"
        programs.mkdir()
        for name, text in {"docker": DOCKER, "dockerd": DOCKERD, "iptables": IPTABLES, "ip": IP, "curl": CURL}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (folder / "bash-env").write_text(BASH_ENV)
        self.lab = folder / "lab"
        self.state = self.lab / "state"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "DOCKER", "STACK", "GATEWAY_"))}
        self.environment = {**inherited, "PATH": f"{programs}:{os.environ['PATH']}", "MACHINE": str(self.folder), "LAB_IMAGES": "built",
                            "LAB_WORK": str(self.lab), "BASH_ENV": str(folder / "bash-env")}

    def write(self, name, text=""):
        (self.folder / name).write_text(text)

    def read(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def things(self):
        """All that somebody could miss, or find too much."""
        kinds = {path.name: sorted(one.name for one in path.iterdir()) for path in self.folder.iterdir() if path.is_dir()}
        return {**kinds, "firewall": sorted(self.read("firewall").splitlines()), "swarm": (self.folder / "swarm").exists(),
                "engine": self.read("engine")}

    def run(self, commands, check=True, **environment):
        """Of a shell, in one network namespace, which ends with them."""
        done = subprocess.run([*ALONE, "sh", "-c", commands], cwd=PROJECT, env={**self.environment, **environment}, timeout=300,
                              capture_output=True, text=True)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def up(self, **options):
        return self.run("exec deploy/lab/run up", **options)

    def down(self, **options):
        return self.run("exec deploy/lab/run down", **options)

    def start_engine(self):
        """One of the user's own."""
        engine = subprocess.Popen(["sleep", "600"])
        self.write("engine", str(engine.pid))
        return engine

    def engines(self):
        return [int(process) for process in self.read("engines").split()]

    def kill_engine(self):
        """As a power cut does: what the engine keeps on its disk stays, and so does its pid file."""
        os.kill(int(self.read("engine")), signal.SIGKILL)
        (self.folder / "engine").unlink()

    def restart(self):
        """After kill_engine(): bridges and rules are gone, and the state tells of an earlier start."""
        for bridge in (self.folder / "bridge").iterdir():
            bridge.unlink()
        self.write("firewall", FIREWALL)
        self.state.write_text(re.sub("^engine .*", "engine of-an-earlier-start", self.state.read_text(), flags=re.M))

    def has_engine(self):
        return (self.folder / "engine").exists()


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    machine.state.unlink(missing_ok=True)  # a lab that still waits for Ctrl-C, after a failed test, ends
    for process in machine.engines():
        if b"dockerd" in read_command(process):
            os.kill(process, signal.SIGKILL)


def read_command(process):
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


@pytest.fixture
def engine(machine):
    engine = machine.start_engine()
    yield engine
    engine.kill()
    engine.wait()


def test_the_lab_comes_and_goes(machine):
    before = machine.things()
    machine.up()
    assert machine.has_engine() and machine.things()["service"] == ["hospital_patient"]
    machine.down()
    assert machine.things() == before and not machine.state.exists()


def test_a_lab_that_fails_tells_each_service_that_does_not_run(machine, engine):
    """The tasks of the first service all run: that ends nothing."""
    machine.write("swarm")
    for name, state in (("a", "a.1 Running 5 minutes ago"), ("b", "b.1 Rejected 5 seconds ago no such image")):
        machine.write(f"service/{name}")
        machine.write(f"tasks-{name}", state + "\n")
    machine.write("../bin/curl", "#!/bin/sh\nexit 7\n")
    done = machine.up(check=False, STEP="20")
    assert done.returncode == 1 and "b.1 Rejected 5 seconds ago no such image" in done.stderr and "a.1" not in done.stderr
    assert "lab: the gateway answers on port 80: not within 120 s" in done.stderr


@pytest.mark.parametrize("is_restarted", [False, True])
def test_down_kills_no_other_process_by_an_old_pid(machine, is_restarted):
    """The lab's engine has ended, and its pid is another program's. After a restart of the machine no rule is the lab's."""
    before = machine.things()
    machine.write("swarm-refuses")
    machine.up(check=False)
    machine.kill_engine()
    if is_restarted:
        machine.restart()
        machine.write("firewall", FIREWALL + "filter -A INPUT -j DOCKER-MINE\n")
        before = machine.things()
    other = subprocess.Popen(["sleep", "600"])
    try:
        (machine.lab / "dockerd.pid").write_text(f"{other.pid}\n")
        machine.down()
        assert other.poll() is None and not (machine.lab / "dockerd.pid").exists() and machine.things() == before
    finally:
        other.kill()
        other.wait()


def test_an_old_pid_does_not_keep_the_lab_from_its_engine(machine):
    machine.lab.mkdir()
    (machine.lab / "dockerd.pid").write_text(f"{os.getpid()}\n")
    machine.up()
    machine.down()
    assert not machine.has_engine() and not (machine.lab / "dockerd.pid").exists()


def test_down_says_that_the_engine_stays_and_can_be_repeated(machine):
    before = machine.things()
    machine.up()
    machine.write("engine-stays")
    done = machine.down(check=False)
    assert done.returncode == 1 and "still lives" in done.stderr and machine.state.exists()
    assert machine.read("signals") == "TERM\n", "the third signal would end an engine before it has cleaned up"
    (machine.folder / "engine-stays").unlink()
    machine.down()
    assert machine.things() == before


def test_a_lab_made_again_after_an_interruption_goes(machine):
    before = machine.things()
    machine.up()
    machine.kill_engine()
    machine.up()
    machine.down()
    assert machine.things() == before


def test_the_network_is_as_it_was(machine):
    """Another engine was there before: its bridge and rules stay. No packets were forwarded."""
    machine.write("bridge/docker0")
    machine.write("firewall", FIREWALL.replace("FORWARD ACCEPT", "FORWARD DROP") +
                  "nat -N DOCKER\nnat -A POSTROUTING -o docker0 -j MASQUERADE\nfilter -N DOCKER-USER\n")
    before = machine.things()
    forward = "/proc/sys/net/ipv4/ip_forward"
    done = machine.run(f"echo 0 >{forward} && deploy/lab/run up && cat {forward} && deploy/lab/run down && cat {forward}")
    assert [line for line in done.stdout.splitlines() if line in ("0", "1")] == ["1", "0"]
    assert machine.things() == before


def test_rules_that_cannot_be_removed_do_not_end_the_cleanup(machine):
    machine.up()
    machine.write("rules-stay")
    machine.down()
    assert not machine.has_engine() and not machine.state.exists() and machine.things()["bridge"] == []


def test_without_iptables_no_rule_is_touched(machine):
    iptables = machine.folder / "../bin/iptables"
    iptables.rename(machine.folder / "iptables")
    iptables.symlink_to("/bin/false")
    machine.up()
    iptables.unlink()
    (machine.folder / "iptables").rename(iptables)
    rules = machine.things()["firewall"]
    machine.down()
    assert machine.things()["firewall"] == rules and not machine.state.exists()


def test_rules_of_an_engine_that_has_come_since_stay(machine):
    machine.up()
    machine.kill_engine()
    engine = machine.start_engine()
    rules = machine.things()["firewall"]
    try:
        machine.down()
        assert machine.things()["firewall"] == rules and machine.things()["service"] == []
    finally:
        engine.kill()
        engine.wait()


def deploy_as_the_readme_says(machine):
    machine.write("swarm")
    for kind in ("network", "config", "service", "container"):
        machine.write(f"{kind}/hospital_patient")
    machine.write("volume/hospital_patient_data")


@pytest.mark.parametrize("commands", ["deploy/lab/run up", "deploy/lab/run", "deploy/lab/run down"])
def test_a_stack_that_the_lab_did_not_make_stays(machine, engine, commands):
    deploy_as_the_readme_says(machine)
    before = machine.things()
    done = machine.run(commands, check=False)
    assert machine.things() == before and "stack deploy" not in machine.read("calls")
    if commands.endswith("down"):
        assert done.returncode == 0 and "there is no lab here" in done.stdout
    else:
        assert done.returncode == 1 and "lab: there is something of a stack hospital that the lab did not make" in done.stderr


def test_volumes_of_a_stack_that_was_removed_stay(machine, engine):
    machine.write("volume/hospital_patient_data")
    before = machine.things()
    done = machine.run("deploy/lab/run", check=False)
    assert done.returncode == 1 and "volume hospital_patient_data" in done.stderr and machine.things() == before


def test_a_lab_that_fails_before_it_deploys_leaves_a_stack_of_later(machine, engine):
    """Images take minutes to build: the user deploys meanwhile."""
    machine.write("swarm-refuses")
    before = machine.things()
    assert machine.up(check=False).returncode == 1
    (machine.folder / "swarm-refuses").unlink()
    deploy_as_the_readme_says(machine)
    deployed = machine.things()
    machine.down()
    assert machine.things() == deployed != before


def test_down_can_be_repeated(machine, engine):
    before = machine.things()
    machine.up()
    machine.up()
    machine.down()
    assert machine.things() == before
    assert "there is no lab here" in machine.down().stdout and machine.things() == before


def test_down_removes_the_stack_that_up_has_made_by_its_name(machine, engine):
    before = machine.things()
    machine.up(STACK="clinic")
    assert machine.things()["volume"] == ["clinic_patient_data"]
    machine.down()
    assert machine.things() == before


def test_down_says_what_it_could_not_remove_and_can_be_repeated(machine, engine):
    before = machine.things()
    machine.up()
    machine.write("volume-in-use")
    done = machine.down(check=False, STEP="20")
    assert done.returncode == 1 and "volume hospital_patient_data" in done.stderr
    (machine.folder / "volume-in-use").unlink()
    machine.down()
    assert machine.things() == before


def test_a_lab_is_removed_after_a_restart_of_the_machine(machine):
    """Its engine has to run once more for that. The firewall was made anew: what docker has there is not the lab's."""
    before = machine.things()
    machine.write("bridge/docker0")
    machine.up()
    machine.kill_engine()
    machine.restart()
    machine.write("firewall", FIREWALL + "filter -A INPUT -j DOCKER-MINE\n")
    machine.down()
    assert machine.things() == {**before, "firewall": sorted([*before["firewall"], "filter -A INPUT -j DOCKER-MINE"])}


def test_a_lab_that_lost_its_state_is_removed_by_the_one_that_made_it(machine, engine):
    before = machine.things()
    lab = subprocess.Popen([*ALONE, "deploy/lab/run"], cwd=PROJECT, env=machine.environment, stdout=subprocess.PIPE, text=True)
    for line in lab.stdout:
        if "Ctrl-C removes" in line:
            break
    machine.state.unlink()
    lab.communicate(timeout=300)
    assert lab.returncode == 1 and machine.things() == before


def lines_of(machine, commands, *functions):
    """The lines of those functions of the script through which a run goes. Their helpers change nothing."""
    with open(os.path.join(PROJECT, "deploy/lab/run")) as file:
        script = file.read().split("\n")
    theirs = set()
    for name in functions:
        first = script.index(name + "() {")
        theirs.update(str(number + 1) for number in range(first + 1, script.index("}", first)))
    (machine.folder / "seen").write_text("")
    machine.run(commands, LINES_SEEN=str(machine.folder / "seen"))
    return [line for line in dict.fromkeys(machine.read("seen").split()) if line in theirs]


def interrupt(machine, commands, line, signal):
    (machine.folder / "interrupted").unlink(missing_ok=True)
    machine.run(commands, check=False, LINE=line, SIGNAL=signal)
    assert (machine.folder / "interrupted").exists()


def test_a_killed_lab_is_removed_wherever_it_was(machine):
    """`up` is killed before the first command of each line; then `down` is, each time at another line, and done again."""
    before = machine.things()
    ups = lines_of(machine, "deploy/lab/run up", "start_engine", "join_swarm", "up")
    downs = lines_of(machine, "deploy/lab/run down", "down", "remove_stack", "stop_engine")
    assert len(ups) > 25 and len(downs) > 25 and machine.things() == before
    for number, line in enumerate(ups):
        interrupt(machine, "deploy/lab/run up", line, "KILL")
        machine.run("deploy/lab/run down", check=False, LINE=downs[number % len(downs)], SIGNAL="KILL")
        machine.down()
        assert machine.things() == before and not machine.state.exists(), f"killed before line {line}"


@pytest.mark.parametrize("signal", ["INT", "HUP"])
def test_an_interrupted_lab_removes_itself(machine, signal):
    before = machine.things()
    ups = lines_of(machine, "deploy/lab/run up; deploy/lab/run down", "start_engine", "join_swarm", "up")
    for line in ups[::4]:
        interrupt(machine, "deploy/lab/run", line, signal)
        assert machine.things() == before and not machine.state.exists(), f"{signal} before line {line}"


def test_a_lab_whose_reader_has_gone_removes_itself(machine):
    """make lab | tee FILE: Ctrl-C ends tee, too."""
    before = machine.things()
    lab = subprocess.Popen([*ALONE, "deploy/lab/run"], cwd=PROJECT, env=machine.environment, stdout=subprocess.PIPE, text=True)
    for line in lab.stdout:
        if "Ctrl-C removes" in line:
            break
    lab.stdout.close()
    lab.send_signal(signal.SIGINT)
    assert lab.wait(300) == 130 and machine.things() == before


def test_clean_refuses_while_there_is_a_lab(source):
    state = source / "build/lab/state"
    state.parent.mkdir(parents=True, exist_ok=True)
    state.touch()
    done = make(source, "clean", check=False)
    assert done.returncode != 0 and "make lab-down" in done.stderr and state.exists()
    state.unlink()
    assert make(source, "-n", "clean").returncode == 0
