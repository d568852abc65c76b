"""The page over a made-up /status: what it puts first, what it says when nobody answers, and that
everybody can use it: at a telephone's width, by keyboard, by ear, in light and dark."""

import time
import unittest

import told
from browser import DESKTOP, PHONE, Browser, testing
from port import Port
from support.processes import wait_for

SCHEMES = ("light", "dark")


def stands(seconds: float):
    began = int((time.time() - seconds) * 1000)
    return lambda now: told.stands(now, began)


# Of each kind of page one that is full.
PAGES = {"router": told.router, "bad-night": told.bad_night, "site-away": told.site_away,
         "switchover": stands(34), "three-sites": told.three_sites, "broker": told.broker,
         "mirror": told.mirror, "hostile": told.hostile}


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def port(self, status, **options) -> Port:
        port = Port(status, **options)
        self.addCleanup(port.close)
        return port

    def opened(self, status, **looks) -> Port:
        port = self.port(status)
        self.browser.open(port.url, **looks)
        return port

    # --- what it shows ----------------------------------------------------------------------

    def test_what_is_wrong_stands_first_with_what_to_do(self):
        self.opened(told.bad_night)
        self.assertEqual(self.browser.texts("main h2")[0], "What is wrong")
        troubles = self.browser.texts(".troubles > li")
        self.assertEqual(len(troubles), 4)
        self.assertIn("STOP", troubles[0])
        self.assertIn("2 of 412 partitions not mirrored", troubles[0])
        self.assertIn("pay.b-3: failed(retention_overtook)", troubles[0])
        self.assertEqual(self.browser.text(".troubles > li code"),
                         "isthmus link resume seoul-tokyo --partition pay.b-3 --accept-gap")
        self.assertTrue(all("WARN" in text for text in troubles[1:]), troubles)
        self.assertIn("start it; the end of its log says why it ended", troubles[1])
        self.assertEqual(self.browser.text("#state"), "Ready. 1 stop, 3 warnings.")
        self.assertIn("4 wrong", self.browser.driver.title)
        self.assertNotIn("this is not seen", self.browser.text("main"))

    def test_a_quiet_day_is_quiet(self):
        self.opened(told.router)
        self.assertEqual(self.browser.text("#state"), "Ready. All is well.")
        self.assertEqual(self.browser.count(".troubles"), 0)
        self.assertEqual(self.browser.driver.title, "corp-1, Isthmus router")

    def test_sites_and_links_are_a_picture(self):
        self.opened(told.bad_night)
        seoul, tokyo = self.browser.texts(".site")
        for text in ("seoul", "answers, not whole", "fenced", "controller", "412 under-replicated",
                     "1.4 GB to go"):
            self.assertIn(text, seoul)
        self.assertIn("answers", tokyo)
        there, back = self.browser.texts(".link")
        for text in ("18.4 s, 71,204 records", "3,859 records/s", "412, 2 not mirrored", "1 held",
                     "A failover now would lose ≤71,204 records (18.4 s) in 31 partitions",
                     "most 18.", "not known for 5 min", "wine"):
            self.assertIn(text, there)
        self.assertIn("No topic of seoul is mirrored this way.", back)
        left, middle, right = self.browser.run("""
            return [".site", ".link", ".site:last-child"].map((each) =>
              document.querySelector(each).getBoundingClientRect().left)""")
        self.assertTrue(left < middle < right, (left, middle, right))

    def test_the_hour_is_drawn_and_said(self):
        self.opened(told.router)
        names = self.browser.run("""return [...document.querySelectorAll("canvas")].map((canvas) =>
            canvas.getAttribute("role") + " " + canvas.getAttribute("aria-label"))""")
        self.assertEqual(len(names), 2)
        self.assertRegex(names[0], r"^img Lag of seoul-tokyo in the last hour: now \d+ ms, most 4")
        self.assertRegex(names[1], r"^img Records per second of seoul-tokyo .* now 3,\d+, most 4,")
        drawn = self.browser.run("""
            const canvas = document.querySelector("canvas");
            return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
              .some((value) => value !== 0)""")
        self.assertTrue(drawn)

    def test_without_charts_the_hour_is_said(self):
        port = self.port(told.router, has_charts=False)
        self.browser.open(port.url)
        self.assertEqual(self.browser.count("canvas"), 0)
        self.assertIn("most 4.", self.browser.text("figcaption"))

    def test_a_switchover_that_stands_has_a_clock_that_runs(self):
        self.opened(stands(34))
        first = self.browser.text(".troubles > li")
        self.assertIn("seoul has handed over, tokyo is not promoted: nobody is written", first)
        self.assertIn("the disk of orders-3 is away", first)
        self.assertIn("isthmus switchover take-back --from seoul --to tokyo", first)
        self.assertEqual(len(self.browser.texts(".troubles > li")), 1, "said twice")
        steps = self.browser.texts(".move .steps > li")
        self.assertIn("for 96 ms", steps[0])
        self.assertIn("handed over", steps[1])
        before = self.browser.text(".move .clock")
        self.assertRegex(before, r"^3\d s$")
        wait_for(lambda: self.browser.text(".move .clock") != before, "the clock runs", 3)

    def test_the_last_switchovers_are_told_with_their_stand_still(self):
        self.opened(told.router)
        rows = self.browser.texts("#moves tbody tr")
        self.assertEqual(len(rows), 3)
        self.assertIn("221 ms", rows[0])
        self.assertIn("billing was not drained", rows[2])
        self.browser.run("document.querySelector('#moves summary').click()")
        self.assertIn("the target is written", self.browser.text("#moves details"))

    def test_groups_and_routes(self):
        self.opened(told.bad_night)
        groups = self.browser.texts("#groups > table tbody tr")
        self.assertEqual(len(groups), 12)
        self.assertRegex(groups[0], r"warehouse-export\s+seoul\s+1 h 30 min\s+2,400,117")
        self.assertEqual(self.browser.text("#groups summary"), "26 more groups")
        self.assertIn("unit: payments, cluster: seoul", self.browser.texts("#routes tbody tr")[0])

    def test_a_broker_and_a_mirror_tell_what_they_have(self):
        self.opened(told.broker)
        self.assertIn("7 partitions offline", self.browser.text(".troubles > li"))
        self.assertIn("isthmus partition describe orders-0", self.browser.text(".troubles code"))
        for text in ("seoul (1)", "1,204", "4 partitions, 2 led here, 1.4 GB to go", "old since"):
            self.assertIn(text, self.browser.text("#broker"))
        self.opened(told.mirror)
        self.assertIn("tokyo-seoul not attached: seoul: connection refused",
                      self.browser.text(".troubles > li"))
        for text in ("312 ms, 1,204 records", "918 GB in 4,120,771 requests", "212 ACLs"):
            self.assertIn(text, self.browser.texts(".link")[0])

    def test_what_is_not_told_is_a_dash(self):
        for status in (told.of_nothing, told.older_router, lambda now: {"name": "x"},
                       lambda now: {}):
            self.opened(status)
            self.assertEqual(self.browser.complaints(), [])
            self.assertNotRegex(self.browser.text("body"), "undefined|null|NaN|cannot show")
        self.opened(told.older_router)
        self.assertIn("tokyo does not answer: connection refused", self.browser.text(".troubles"))
        self.assertIn("seoul has taken over the routes of tokyo", self.browser.text("#routes"))

    def test_names_are_text_whatever_they_say(self):
        self.opened(told.hostile)
        self.assertEqual(self.browser.text("h1"), told.HOSTILE)
        self.assertNotEqual(self.browser.driver.title, "taken")
        self.assertEqual(self.browser.count("main script, main img, header img"), 0)
        for selector in (".troubles", ".site h3", ".link h3", "#groups", "#routes", "#moves"):
            self.assertIn(told.HOSTILE, self.browser.text(selector))
        self.assertEqual(self.browser.complaints(), [])

    # --- what is old ------------------------------------------------------------------------

    def test_it_refreshes_and_says_since_when_nobody_answers(self):
        port = self.opened(told.router)
        port.tell(told.bad_night)
        self.browser.wait_text("#state", "1 stop")
        sites = self.browser.texts(".site h3")
        asked = time.strftime("%H:%M")
        port.close()
        said = self.browser.wait_text("#state", "Stale since")
        self.assertRegex(said, rf"Stale since ({asked}|{time.strftime('%H:%M')}):\d\d: no answer")
        self.assertIn("last picture", said)
        self.assertIn("stale", self.browser.run("return document.body.className"))
        self.assertIn("grayscale",
                      self.browser.run("return getComputedStyle(document.querySelector('main'))"
                                       ".filter"))
        self.assertEqual(self.browser.texts(".site h3"), sites, "the last picture stays")
        self.assertIn("stale", self.browser.driver.title)
        for scheme in SCHEMES:
            self.browser.look(scheme)
            self.assertEqual(self.browser.audit(), [], scheme)
            self.browser.picture(f"stale-{scheme}")

    def test_an_answer_that_does_not_come_is_given_up_and_never_two_are_asked(self):
        port = self.opened(told.router)
        port.hang()
        said = self.browser.wait_text("#state", "Stale since", 12)
        self.assertIn("no answer within 5 s", said)
        time.sleep(3)  # it asks again, into the same silence
        port.go_on()
        self.browser.wait_text("#state", "All is well")
        # The server does not notice who has given up: it may count that one beside the next.
        self.assertLessEqual(port.most_at_once, 2)
        asked = port.asked
        time.sleep(5)
        self.assertIn(port.asked - asked, (1, 2, 3))

    def test_what_the_role_itself_says_late_is_stale(self):
        port = self.opened(lambda now: told.router(now, age_ms=7400))
        self.assertIn("the router itself says nothing new",
                      self.browser.wait_text("#state", "Stale since"))
        port.tell(told.router)
        self.browser.wait_text("#state", "All is well")
        port.tell(told.router, code=503)
        self.assertIn("this port answers 503", self.browser.wait_text("#state", "Stale since"))
        port.tell(told.router)
        self.browser.wait_text("#state", "All is well")

    def test_a_site_that_does_not_answer_keeps_its_last_picture(self):
        port = self.opened(told.router)
        port.tell(told.site_away)
        self.browser.wait_text("#state", "Not ready. 1 stop, 1 warning.")
        self.assertIn("seoul does not answer: connection refused; it was last heard 42 s ago",
                      self.browser.text(".troubles > li"))
        self.assertIn("isthmus failover --from seoul --to tokyo --dry-run",
                      self.browser.text(".troubles"))
        self.assertEqual(self.browser.count(".site.silent"), 1)
        seoul = self.browser.text(".site.silent")
        for text in ("does not answer", "the last that was heard, 42 s ago", "101", "102", "412"):
            self.assertIn(text, seoul)
        self.assertIn("What a failover now would lose is unknown: nothing was heard of seoul.",
                      self.browser.text(".link"))
        port.tell(told.router)
        self.browser.wait_text("#state", "All is well")
        self.assertEqual(self.browser.count(".site.silent"), 0)

    def test_it_can_be_held_still(self):
        port = self.opened(told.router)
        self.browser.run("document.querySelector('#hold').click()")
        self.browser.wait_text("#state", "Held still since")
        time.sleep(2.5)  # what was asked before
        asked = port.asked
        port.tell(told.bad_night)
        time.sleep(5)
        self.assertEqual(port.asked, asked)
        self.assertEqual(self.browser.count(".troubles"), 0)
        self.browser.run("document.querySelector('#hold').click()")
        self.browser.wait_text("#state", "1 stop")

    # --- who looks --------------------------------------------------------------------------

    def test_everything_has_a_name_headings_are_in_order_and_can_be_read(self):
        for name, status in PAGES.items():
            port = self.port(status)
            for scheme in SCHEMES:
                with self.subTest(page=name, scheme=scheme):
                    self.browser.open(port.url, scheme)
                    self.browser.unfold()
                    self.assertEqual(self.browser.audit(), [])
                    self.assertEqual(self.browser.complaints(), [])
                    self.browser.picture(f"{name}-{scheme}")

    def test_the_audit_finds_what_is_planted(self):
        """Else it would be worth nothing."""
        self.opened(told.router)
        self.assertEqual(self.browser.audit(), [])
        for script, found in (
            ("document.querySelector('#hold').textContent = ''", "has no name"),
            ("document.querySelector('canvas').removeAttribute('aria-label')", "has no name"),
            ("document.querySelector('caption').remove()", "has no caption"),
            ("document.querySelector('th').removeAttribute('scope')", "heads neither"),
            ("document.querySelector('main').append(document.createElement('h5'))", "is empty"),
            ("document.querySelector('h2').style.color = '#999999'", "contrast"),
            ("document.querySelector('.site').style.opacity = 0.9", "translucent"),
        ):
            self.browser.run(script)
            said = self.browser.audit()
            self.assertTrue(any(found in each for each in said), (script, said))

    def test_a_telephone_needs_no_sideways_scrolling(self):
        for name, status in PAGES.items():
            port = self.port(status)
            for scheme in SCHEMES:
                with self.subTest(page=name, scheme=scheme):
                    self.browser.open(port.url, scheme, PHONE)
                    self.assertLessEqual(self.browser.sideways(), 0, self.browser.too_wide())
                    self.browser.picture(f"{name}-{scheme}-phone")
                    self.browser.unfold()
                    self.assertLessEqual(self.browser.sideways(), 0, self.browser.too_wide())

    def test_dark_and_light_are_as_the_reader_has_them(self):
        self.opened(told.router)

        def ground() -> int:
            colour = self.browser.run("return getComputedStyle(document.body).backgroundColor")
            return sum(int(part) for part in colour[4:-1].split(","))

        def line() -> str:
            return self.browser.run("return Chart.getChart(document.querySelector('canvas'))"
                                    ".data.datasets[0].borderColor")

        light, drawn = ground(), line()
        self.browser.look("dark")
        self.assertGreater(light, 600)
        self.assertLess(ground(), 150)
        wait_for(lambda: line() != drawn, "the chart is drawn anew", 5)

    def test_the_keyboard_reaches_everything_and_shows_where_it_is(self):
        self.opened(told.bad_night)
        expected = self.browser.run("""
            return [...document.querySelectorAll("a[href], button, summary")].length""")
        reached = []
        for _ in range(expected + 5):
            self.browser.press("TAB")
            at = self.browser.run("""
                const at = document.activeElement, style = getComputedStyle(at);
                return [at.tagName + " " + at.textContent.slice(0, 40), at === document.body,
                        style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2]""")
            if at[1]:
                break
            reached.append(at[0])
            self.assertTrue(at[2], f"{at[0]}: it is not seen that it is there")
        self.assertEqual(reached[0], "A Skip to what is wrong")
        self.assertEqual(len(reached), expected, reached)
        # And by it: past the head, and into a list.
        self.browser.open(self.browser.driver.current_url)
        self.browser.press("TAB", "RETURN")
        wait_for(lambda: self.browser.run("return document.activeElement.id") == "main", "skipped")
        self.browser.press("TAB", "RETURN")
        wait_for(lambda: self.browser.count("main details[open]") == 1, "unfolded by the keyboard")

    def test_focus_and_opened_lists_outlive_a_refresh(self):
        port = self.opened(told.bad_night)
        self.browser.run("""
            window.kept = document.querySelector(".site details");
            kept.open = true;
            kept.querySelector("summary").focus()""")
        asked = port.asked
        port.tell(stands(3))
        wait_for(lambda: port.asked > asked + 1, "two refreshes", 10)
        port.tell(told.bad_night)
        self.browser.wait_text("#state", "1 stop, 3 warnings")
        # Gone with its list, and closed when that came anew: but not by mere refreshes.
        self.browser.run("""
            window.kept = document.querySelector(".site details");
            kept.open = true;
            kept.querySelector("summary").focus()""")
        asked = port.asked
        wait_for(lambda: port.asked > asked + 2, "three refreshes", 12)
        self.assertTrue(self.browser.run("""
            return kept.isConnected && kept.open &&
              document.activeElement === kept.querySelector("summary")"""))

    def test_only_the_state_is_read_out_and_only_when_it_changes(self):
        port = self.opened(told.router)
        self.assertEqual(self.browser.run("""
            return [...document.querySelectorAll("[aria-live], [role=status], [role=alert]")]
              .map((each) => each.id)"""), ["state"])
        self.browser.run("""
            window.said = 0;
            new MutationObserver(() => ++said).observe(document.querySelector("#state"),
              { childList: true, characterData: true, subtree: true })""")
        asked = port.asked
        wait_for(lambda: port.asked > asked + 2, "three refreshes", 12)
        self.assertEqual(self.browser.run("return said"), 0)
        port.tell(told.bad_night)
        self.browser.wait_text("#state", "1 stop")
        self.assertEqual(self.browser.run("return said"), 1)

    def test_nothing_grows_or_moves_by_refreshing(self):
        port = self.opened(told.bad_night, reduced_motion=True)
        count = """return [document.querySelectorAll("*").length,
                            Object.keys(Chart.instances).length]"""
        before = self.browser.run(count)
        self.browser.run("""
            window.made = 0;
            new MutationObserver((all) => all.forEach((each) => made += each.addedNodes.length))
              .observe(document.querySelector("main"), { childList: true, subtree: true })""")
        asked = port.asked
        wait_for(lambda: port.asked > asked + 3, "four refreshes", 15)
        self.assertEqual(self.browser.run(count), before)
        self.assertEqual(self.browser.run("return made"), 0, "elements were made anew")
        self.assertEqual(self.browser.run("return document.getAnimations().length"), 0)
        # Charts go with what they were drawn for.
        port.tell(told.broker)
        self.browser.wait_text("h1", "seoul-101")
        self.assertEqual(self.browser.run("return Object.keys(Chart.instances).length"), 0)

    def test_it_asks_nobody_but_its_port(self):
        port = self.opened(told.bad_night)
        asked = self.browser.run("""
            return performance.getEntriesByType("resource").map((each) => each.name)""")
        self.assertGreater(len(asked), 8)
        for url in asked:
            self.assertTrue(url.startswith((port.url, "data:")), url)
        self.assertEqual(self.browser.complaints(), [])

    def test_the_picture_of_the_documentation(self):
        """docs/page.png is this one."""
        self.opened(told.bad_night, width=DESKTOP)
        self.browser.picture("page", scale=1)


if __name__ == "__main__":
    testing.main()
