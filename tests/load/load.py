"""The counting client of load.c as a process: Load(url, rate=, seconds=, ...) starts it, result() waits for what it counted."""
import json
import os
import signal
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build/load/load")


class Load:
    """Options are those of load.c, with _ for -: rate, seconds, count, connections, most, method, body, timeout, first, log;
    retry_refused=True and close=True have no value; fields is a list of "Name: value"."""

    def __init__(self, url, fields=(), within=(), **options):
        command = [*within, PROGRAM]
        for name, value in options.items():
            if value is not None and value is not False:
                command += ["--" + name.replace("_", "-")] + ([] if value is True else [str(value)])
        for field in fields:
            command += ["--field", field]
        self.log = options.get("log")
        self.process = subprocess.Popen(command + [url], stdout=subprocess.PIPE, text=True)

    def is_over(self):
        return self.process.poll() is not None

    def end(self):
        """No further requests; those under way are waited for."""
        self.process.send_signal(signal.SIGTERM)

    def result(self):
        """The output of load.c, and: answered (with 2xx), failed (all others)."""
        text, _ = self.process.communicate()
        assert self.process.returncode == 0, f"the load ended with {self.process.returncode}"
        result = json.loads(text)
        result["answered"] = sum(count for status, count in result["statuses"].items() if status[0] == "2")
        result["failed"] = result["requests"] - result["answered"]
        return result

    def records(self):
        """(id, ms it was due, status or what went wrong, ms late, ms from due to answered) of every request, with log=."""
        with open(self.log) as file:
            for line in file:
                number, due, ending, late, took = line.split()
                yield int(number), float(due), int(ending) if ending.isdigit() else ending, int(late) / 1000, int(took) / 1000

    def stop(self):
        if not self.is_over():
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
