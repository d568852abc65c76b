"""A Chromium without a window, as Debian has it: what it shows, in which colours and at which
width, what the keyboard reaches, and whether people who do not see it are told the same.

    with Browser() as browser:
        browser.open(url, scheme="dark", width=360)
        browser.audit()                      # what is wrong with names, headings, contrasts
        browser.picture("router-dark")       # a PNG among the artefacts
"""

import base64
import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import testing
from support.processes import wait_for

HERE = Path(__file__).resolve().parent
PICTURES = Path(os.environ.get("ISTHMUS_SCREENSHOTS", testing.BUILD / "screenshots"))
DESKTOP, PHONE = 1280, 360
PIXELS = 2  # of the screen, for each of the page


class Browser:
    def __init__(self):
        remedy = "apt-get install chromium chromium-driver python3-selenium"
        program = testing.need(Path("/usr/bin/chromium"), remedy)
        driver = testing.need(Path("/usr/bin/chromedriver"), remedy)
        try:
            from selenium import webdriver
            from selenium.webdriver.chrome.service import Service
        except ImportError as error:
            raise unittest.SkipTest(f"selenium is missing: {remedy}") from error
        options = webdriver.ChromeOptions()
        options.binary_location = str(program)
        # Root has no sandbox of its own, and a container little of /dev/shm.
        for flag in ("--headless=new", "--disable-gpu", "--no-sandbox", "--disable-dev-shm-usage",
                     "--hide-scrollbars", "--no-first-run", "--no-proxy-server"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(str(driver)), options=options)
        self.driver.set_page_load_timeout(30)

    def open(self, url: str, scheme: str = "light", width: int = DESKTOP,
             reduced_motion: bool = False) -> None:
        """The page, as soon as it shows its first answer."""
        self.complaints()
        self.look(scheme, reduced_motion)
        self.resize(width)
        self.driver.get(url)
        wait_for(lambda: self.texts("main h2"), f"{url} shows something", 20)

    def look(self, scheme: str, reduced_motion: bool = False) -> None:
        motion = "reduce" if reduced_motion else "no-preference"
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion}])

    def resize(self, width: int, height: int = 900) -> None:
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=PIXELS, mobile=False)

    def cdp(self, command: str, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def run(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        """What is seen of each, in the order of the page."""
        return self.run("return [...document.querySelectorAll(arguments[0])]"
                        ".map((each) => each.innerText.trim())", selector)

    def text(self, selector: str) -> str:
        found = self.texts(selector)
        return found[0] if found else ""

    def wait_text(self, selector: str, expected: str, deadline_s: float = 10) -> str:
        """Until the first of these says so; returns all that it says."""
        wait_for(lambda: expected in self.text(selector), f"{selector}: {expected}", deadline_s)
        return self.text(selector)

    def count(self, selector: str) -> int:
        return self.run("return document.querySelectorAll(arguments[0]).length", selector)

    def sideways(self) -> int:
        """By how many pixels the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - window.innerWidth")

    def too_wide(self) -> list[str]:
        """What reaches beyond the window at the right."""
        return self.run("""
            return [...document.querySelectorAll("body *")]
              .filter((each) => each.getBoundingClientRect().right > window.innerWidth + 0.5 &&
                                !each.closest(".unseen"))
              .map((each) => `${each.tagName}.${each.className}: ${each.innerText.slice(0, 60)}`)
        """)

    def audit(self) -> list[str]:
        return self.run((HERE / "audit.js").read_text() + "\nreturn audit(document);")

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys
        actions = ActionChains(self.driver)
        for key in keys:
            actions.send_keys(getattr(Keys, key))
        actions.perform()

    def complaints(self) -> list[str]:
        """What the browser has said since it was asked last: errors, and what the page's policy
        forbids."""
        return [line["message"] for line in self.driver.get_log("browser")
                if line["level"] in ("SEVERE", "WARNING")]

    def unfold(self) -> None:
        self.run("document.querySelectorAll('details').forEach((each) => each.open = true)")

    def picture(self, name: str, scale: float = PIXELS) -> Path:
        """The whole page, in so many pixels for each of its own."""
        height = self.run("return document.documentElement.scrollHeight")
        width = self.run("return window.innerWidth")
        shot = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                        clip={"x": 0, "y": 0, "width": width, "height": height,
                              "scale": scale / PIXELS})
        PICTURES.mkdir(parents=True, exist_ok=True)
        file = PICTURES / f"{name}.png"
        file.write_bytes(base64.b64decode(shot["data"]))
        return file

    def close(self) -> None:
        self.driver.quit()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
