"""Opens reports in a headless Chromium, as report.sh asks:

  report_browser.py PAGE [--screenshots FOLDER] [--expect TEXT]... [--refuse TEXT]...

Fails when the page logs an error, throws, breaks its own policy, asks for anything but itself, is wider than its
window, draws no chart, or shows nothing where one points. Spoken to by a pipe, so that nothing listens anywhere.
"""

import argparse
import base64
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time

ARGUMENTS = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             "--remote-debugging-pipe"]
VIEWS = {  # name: (width, height, dark, print)
    "light": (1280, 900, False, False),
    "dark": (1280, 900, True, False),
    "phone": (390, 844, False, False),
    "phone-dark": (390, 844, True, False),
    "print": (1000, 1300, False, True),
}
SECONDS = 60


class Browser:
    def __init__(self, profile):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def set_descriptors():
            # The browser reads 3 and writes 4; the pipe's own numbers may be these.
            a, b = os.dup(to_browser), os.dup(from_browser)
            a, b = os.dup(a), os.dup(b)
            os.dup2(a, 3)
            os.dup2(b, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        self.log = open(os.path.join(profile, "browser.log"), "wb")
        self._process = subprocess.Popen(ARGUMENTS + [f"--user-data-dir={profile}"], preexec_fn=set_descriptors,
                                         close_fds=False, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    _session = None

    def _receive(self, deadline):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self._in, 1 << 20) if ready else b""
            if not piece:
                raise SystemExit(f"Chromium does not answer; it said: {open(self.log.name).read()[-2000:]}")
            self._buffer += piece
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        deadline = time.monotonic() + SECONDS
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, event):
        deadline = time.monotonic() + SECONDS
        while not any(each.get("method") == event for each in self.events):
            self.events.append(self._receive(deadline))

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def close(self):
        os.close(self._out)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def problems_of(events, page):
    for event in events:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            yield f"the page's script failed: {json.dumps(parameters['exceptionDetails'])[:600]}"
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            yield f"the console says: {parameters['entry']['text']}"
        elif method == "Runtime.consoleAPICalled":
            yield f"the page logged: {parameters['args']}"
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if url.split("#")[0] != page and not url.startswith("data:"):
                yield f"the page asked for {url[:200]}"
        elif method == "Page.javascriptDialogOpening":
            yield f"a dialogue opened: {parameters['message']}"


def set_view(browser, name):
    width, height, dark, printed = VIEWS[name]
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
    browser.call("Emulation.setEmulatedMedia", media="print" if printed else "screen",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
    # Two frames: the page has then drawn itself anew.
    browser.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")


def screenshot(browser, path):
    size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
    picture = browser.call("Page.captureScreenshot", captureBeyondViewport=True,
                           clip={"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1})
    path.write_bytes(base64.b64decode(picture["data"]))


def colours(browser):
    return browser.value("getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color")


def check_views(browser, folder):
    seen = {}
    for name in VIEWS:
        set_view(browser, name)
        if folder:
            screenshot(browser, folder / f"{name}.png")
        seen[name] = colours(browser)
        overflow = browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overflow > 0:
            yield f"{name}: the page is {overflow} pixels wider than its window"
    if seen["light"] == seen["dark"]:
        yield "the dark page has the colours of the light one"
    if seen["print"] != seen["light"]:
        yield "what is printed is not light"


# Moves the pointer to the middle of the first chart and gives what is shown there.
POINT = """(() => {
  const svg = document.querySelector('#curves svg');
  if (!svg) return null;
  const box = svg.getBoundingClientRect();
  svg.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + box.width / 2, clientY: box.top + box.height / 2}));
  const tip = svg.parentNode.querySelector('.tip');
  return tip.hidden ? '' : tip.innerText;
})()"""
# Charts that have no axis label, or labels that stick out of the chart.
UNLABELLED = """[...document.querySelectorAll('.charts figure')].filter((figure) => {
  const svg = figure.querySelector('svg');
  return svg && [...svg.querySelectorAll('text')].filter((text) => /[a-z]/.test(text.textContent)).length < 2;
}).map((figure) => figure.querySelector('figcaption').textContent)"""


def check_charts(browser):
    set_view(browser, "light")
    shown = browser.value(POINT)
    if shown is None:
        return
    if not any(letter.isdigit() for letter in shown):
        yield f"pointing at a curve shows no value, but {shown!r}"
    for axis in ("samples", "seconds", "step"):
        browser.value(f"document.querySelector('input[value={axis}]').click()")
        if not browser.value("document.querySelectorAll('#curves svg path.curve').length"):
            yield f"no curve over {axis}"
    for title in browser.value(UNLABELLED):
        yield f"a chart without two labelled axes: {title}"
    if browser.value("[...document.querySelectorAll('svg path, svg circle, svg rect')].some((node) => /NaN|Infinity|undefined/.test(node.outerHTML))"):
        yield "a chart is drawn with numbers that are none"


def check(page, arguments, profile):
    browser = Browser(profile)
    try:
        for domain in ("Page", "Runtime", "Log", "Network"):
            browser.call(f"{domain}.enable")
        url = page.resolve().as_uri()
        browser.call("Page.navigate", url=url)
        browser.wait_for("Page.loadEventFired")
        shown = browser.value("document.body.innerText")
        yield from (f"the page does not say: {text}" for text in arguments.expect if text not in shown)
        markup = browser.value("document.documentElement.outerHTML.replace(/<script[^]*?<.script>/g, '')")
        yield from (f"the page holds: {text}" for text in arguments.refuse if text in markup)
        if browser.value("document.scripts.length") != 2:
            yield "there is a script that is not the page's"
        yield from check_views(browser, arguments.screenshots)
        yield from check_charts(browser)
        yield from problems_of(browser.events, url)
    finally:
        browser.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--expect", action="append", default=[])
    parser.add_argument("--refuse", action="append", default=[])
    arguments = parser.parse_args()
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        problems = list(check(arguments.page, arguments, profile))
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{arguments.page}: {len(problems)} problems in Chromium")
    sys.exit(1 if problems else 0)


main()
