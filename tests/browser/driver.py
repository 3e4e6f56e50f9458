"""Chromium, driven by chromedriver in the words of the WebDriver protocol (https://www.w3.org/TR/webdriver2/), which are JSON over HTTP."""
import base64
import http.client
import json
import os
import re
import shutil
import subprocess
import time

GUARD = 60
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def is_here():
    return shutil.which("chromium") is not None and shutil.which("chromedriver") is not None


class Failed(Exception):
    """What chromedriver refuses, with its own words."""


class Browser:
    """One window. `folder` takes the profile; nothing else of a user is read or left behind."""

    def __init__(self, folder, width=1280, height=900):
        self.folder = folder
        self.process = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        start_new_session=True)
        self.session = None
        for line in self.process.stdout:
            started = re.search(r"started successfully on port (\d+)", line)
            if started:
                self.port = int(started.group(1))
                break
        else:
            raise Failed("chromedriver did not start")
        arguments = ["--headless=new", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder}", f"--window-size={width},{height}",
                     "--hide-scrollbars", "--disable-dev-shm-usage", "--no-proxy-server", "--lang=en"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium's own sandbox does not work for root
        capabilities = {"goog:chromeOptions": {"binary": shutil.which("chromium"), "args": arguments},
                        "goog:loggingPrefs": {"browser": "ALL"}, "timeouts": {"script": GUARD * 1000}}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
        self.resize(width, height)

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=GUARD)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise Failed(f"{value['error']}: {value.get('message', '')}")
        return value

    def do(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        self.do("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """The value that the script returns."""
        return self.do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command, **parameters):
        return self.do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width, height):
        """The page's own size; a window can't be as narrow as a telephone."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def colours(self, scheme):
        """light or dark, as the user's system would say."""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def find(self, selector):
        return self.do("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.do("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, words):
        self.do("POST", f"/element/{self.find(selector)}/value", {"text": words})

    def press(self, *keys):
        """Keys as WebDriver names them, on whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.do("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def text(self, selector="body"):
        """As a person sees it: what is hidden is not in it."""
        return self.run("const one = document.querySelector(arguments[0]); return one?.checkVisibility() ? one.innerText : ''", selector)

    def until(self, question, what, seconds=GUARD):
        """Asks until the answer is true, and returns it; `question` is a function, or words that the page has to show."""
        ask = question if callable(question) else lambda: question in self.text()
        end = time.monotonic() + seconds
        while not (answer := ask()):
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {seconds} s; the page shows:\n{self.text()}")
            time.sleep(0.02)
        return answer

    def screenshot(self, path, height=6000, **options):
        """Of the page from its top, at most so high; PNG unless the options of Page.captureScreenshot say otherwise."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        options = {"format": "png", "captureBeyondViewport": True, **options,
                   "clip": {"x": 0, "y": 0, "scale": 1, "width": size["width"], "height": min(size["height"], height)}}
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.devtools("Page.captureScreenshot", **options)["data"]))

    def console(self):
        """What the console has said since it was asked last."""
        return self.do("POST", "/se/log", {"type": "browser"})

    def stop(self):
        try:
            if self.session is not None:
                self.do("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait(GUARD)
            self.process.stdout.close()
