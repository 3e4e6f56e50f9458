"""A real redis-server on a port of its own, for tests that kill it, stop it and start it again."""
import os
import signal
import socket
import subprocess

from harness import free_port, until


class Redis:
    def __init__(self, folder, *arguments):
        self.folder, self.port, self.arguments = folder, free_port(), arguments
        self.process = None
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder),
             *self.arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.answers, "redis-server answers")

    def answers(self):
        try:
            return self.command("PING")[:1] in (b"+", b"-")  # "-": it wants a password first
        except OSError:
            return False

    def command(self, *words):
        """The raw reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words))
            return connection.recv(65536)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: self.state() == "T", "it stands still")

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def state(self):
        with open(os.path.join("/proc", str(self.process.pid), "stat")) as stat:
            return stat.read().rpartition(") ")[2][0]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
