"""haproxy and nginx, from Debian, in the gateway's place: what they do with the same bytes."""
import os
import re
import subprocess
import tempfile

from ends import Lane, Recorder, send
from harness import Client, free_port, until
from reader import Ambiguous, read_response

FIRST, QUIET = 1.0, 0.25  # seconds; a peer says in its own way, or not at all, that it is done

HAPROXY = """
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
    timeout http-request 5s
    option http-keep-alive
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    http-reuse always
    option forwardfor
    server s 127.0.0.1:{upstream}
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    upstream u {{ server 127.0.0.1:{upstream}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
            proxy_request_buffering off; proxy_buffering off;
        }}
    }}
}}
"""

COMMANDS = {"haproxy": (HAPROXY, ["haproxy", "-q", "-db", "-f"]), "nginx": (NGINX, ["nginx", "-e", "/dev/null", "-c"])}


class Peer(Lane):
    def __init__(self, name):
        super().__init__(free_port(), Recorder())
        text, command = COMMANDS[name]
        self.folder = tempfile.TemporaryDirectory(prefix="peer-")
        file = os.path.join(self.folder.name, "configuration")
        with open(file, "w") as out:
            out.write(text.format(port=self.port, upstream=self.recorder.port, folder=self.folder.name))
        self.process = subprocess.Popen([*command, file], stderr=subprocess.DEVNULL)
        until(self.answers, f"{name} listens")

    def answers(self):
        try:
            Client(self.port).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.recorder.stop()
        self.folder.cleanup()

    def leftovers(self):
        """The next client's answer: its own, or proof that a response went astray."""
        client = Client(self.port)
        client.ask(target="/canary/peer")
        try:
            response = read_response(client)
        except (EOFError, OSError, Ambiguous):
            return ", and the next client got no answer"
        finally:
            client.close()
        is_astray = response.status == 200 and response.body != b"GET /canary/peer"
        return ", and the next client got another's answer" if is_astray else ""

    def request(self, case):
        self.recorder.begin()
        client = Client(self.port)
        send(client, case.bytes, False)
        if case.then == "half-close" or case.kind == "unanswered":
            client.half_close()
        client.socket.settimeout(FIRST)
        try:
            while client.more():
                client.socket.settimeout(QUIET)
        except OSError:
            pass
        client.close()
        statuses = [int(one) for one in re.findall(rb"HTTP/1\.[01] ([2-5]\d\d)", bytes(client.held))]
        seen, refusals = len(self.recorder.seen), [status for status in statuses if status >= 400]
        left = self.leftovers()
        if self.recorder.ambiguous:
            return f"AMBIGUOUS: {self.recorder.ambiguous[0]}" + left
        said = [f"forwarded {seen}"] if seen else []
        said += [f"refused {refusals[-1]}"] if refusals else []
        return ", ".join(said or ["answered" if statuses else "unanswered"]) + left

    def response(self, case):
        self.recorder.begin(case.bytes, case.then)
        client = Client(self.port)
        client.socket.settimeout(FIRST)
        client.send(case.asked)
        try:
            response = read_response(client, case.asked.split(b" ")[0].decode())
            is_own = response.status in (502, 503, 504) and response.status != case.status
            verdict = "refused" if is_own else f"passed {response.status}"
        except Ambiguous as error:
            verdict = f"DIRTY: {error}"
        except TimeoutError:
            verdict = "waits"
        except (EOFError, OSError):
            verdict = "cut"
        client.close()
        return verdict + self.leftovers()


def ours(case):
    """The gateway's verdict in the same words."""
    if case.is_response:
        return {"fallback": "refused", "broken": "cut", "passed": f"passed {case.status}"}.get(case.kind, case.kind)
    said = [f"forwarded {len(case.seen)}"] if case.seen else []
    if case.kind in ("refused", "broken", "answered"):
        said.append(f"refused {case.status}")
    return ", ".join(said or [case.kind])


def differs(mine, theirs):
    """With which status one refuses is a matter of taste; that one refuses is not. A response that broke off before its head
    was passed on may be refused."""
    def plain(words):
        return re.sub(r"refused \d+", "refused", words)
    return plain(mine) != plain(theirs) and not (mine == "cut" and theirs == "refused")
