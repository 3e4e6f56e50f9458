"""The promises under wrk's full load: reloads and a drain cost nothing, and one upstream that hangs hurts nobody else."""
import re
import signal
import statistics
import subprocess
import threading
import time

import pytest

from harness import BUILD, Client, free_port, until

FALLBACK = "Patient information is currently unavailable\n"


@pytest.fixture
def service():
    """A replica that is fast enough for wrk."""
    address = f"127.0.0.1:{free_port()}"
    running = subprocess.Popen([f"{BUILD}/hospital/service", "--name", "patient", "--listen", address, "--replica", "one"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: answers(int(address.rsplit(":", 1)[1])), "the service")
    yield f"http://{address}"
    running.kill()
    running.wait()


def answers(port):
    try:
        Client(port).close()
        return True
    except OSError:
        return False


class Wrk:
    def __init__(self, url, seconds, connections=32):
        self.process = subprocess.Popen(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", url], stdout=subprocess.PIPE, text=True)

    def result(self):
        """(requests, answers other than 2xx and 3xx, {socket errors by kind})"""
        text = self.process.communicate()[0]
        print("\n" + text)
        errors = {kind: int(number) for kind, number in
                  re.findall(r"(connect|read|write|timeout) (\d+)", "".join(re.findall("Socket errors:.*", text)))}
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        return int(re.search(r"(\d+) requests in", text).group(1)), int(bad.group(1)) if bad else 0, errors


def test_a_reload_every_100_ms(gateway, service):
    started = gateway({"patient": service}, access_log="off")
    load = Wrk(f"http://127.0.0.1:{started.port}/patient", 10)
    reloads = 0
    while load.process.poll() is None:
        started.configure({"patient": service}, access_log="off", limits={"request_head": f"{16 + reloads % 2}KiB"})
        started.signal(signal.SIGHUP)
        reloads += 1
        time.sleep(0.1)
    requests, bad, errors = load.result()
    assert (bad, errors) == (0, {}) and requests > 1000 and reloads > 20
    # One that comes while another is being taken is folded into the next.
    assert started.metrics().sum("gateway_reloads_total") > reloads / 2


# With several workers, a client that one of them has told to close must not reach another's listener just as that closes.
@pytest.mark.parametrize("workers", [1, 8])
def test_sigterm_cuts_no_request(gateway, service, workers):
    started = gateway({"patient": service}, drain={"delay": "500ms", "timeout": "5s"}, workers=workers)
    load = Wrk(f"http://127.0.0.1:{started.port}/patient", 2, connections=128 if workers > 1 else 32)
    time.sleep(0.5)
    started.signal(signal.SIGTERM)
    requests, bad, errors = load.result()
    # A client that was told "Connection: close" finds nobody to connect to any more, which wrk counts as a write error; but nobody is
    # left without the answer to what was sent.
    assert bad == errors.get("read", 0) == errors.get("timeout", 0) == 0 and requests > 100
    assert started.wait() == 0
    assert {line["outcome"] for line in started.log()} == {"answered"}


@pytest.mark.parametrize("workers", [1, 4])
def test_an_upstream_that_hangs_hurts_nobody_else(gateway, upstream, service, workers):
    release = threading.Event()

    def hang(connection, request):
        if release.is_set():
            connection.reply()
        else:
            release.wait(60)
            connection.close()

    stalled = upstream(hang, backlog=1024)
    started = gateway(
        {"stalled": {"url": stalled, "timeouts": {"response": "500ms"}, "breaker": {"minimum_calls": 20, "open_for": "2s",
                                                                                       "half_open_calls": 5}},
         "patient": service},
        [{"path": "/stalled", "upstream": "stalled", "fallback": FALLBACK}, {"path": "/patient", "upstream": "patient"}],
        workers=workers)
    before = Wrk(f"http://127.0.0.1:{started.port}/patient", 2).result()[0]
    clients = [Client(started.port) for _ in range(64)]
    for one in clients:
        one.ask(target="/stalled")
    assert all(one.answer().status == 503 for one in clients)
    until(lambda: started.has_said("closed -> open"), "the breaker is open")

    reached = len(stalled.requests)
    load = Wrk(f"http://127.0.0.1:{started.port}/patient", 2)
    took, others = [], []
    until_half_open = time.monotonic() + 1.2  # open_for, less the jitter and what has passed
    while time.monotonic() < until_half_open:
        began = time.monotonic()
        response = clients[0].request(target="/stalled")
        took.append(time.monotonic() - began)
        assert clients[1].request(target="/patient").status == 200
        others.append(time.monotonic() - began - took[-1])
        assert response.status == 503 and response.body.decode() == FALLBACK
    during, bad, errors = load.result()
    fallback, answer = statistics.median(took), statistics.median(others)
    print(f"{len(took)} fallbacks, median {fallback * 1000:.2f} ms, slowest {max(took) * 1000:.2f} ms (an answer: {answer * 1000:.2f} ms); "
          f"the other route: {before} requests before, {during} during")
    assert len(stalled.requests) == reached, "an open breaker lets nothing through"
    assert (bad, errors) == (0, {})
    assert fallback < 2 * answer, "a fallback comes at once: an answer, which takes the way to the service, no sooner"
    assert during > before / 10, "the other route goes on (the two loads ran at different times, on a machine that may be busy)"
    release.set()
