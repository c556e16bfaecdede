"""Pages: self-contained, escaped, and what a browser shows is what advise says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from strategies import catalog

from advisor.cli import main
from advisor.facts import shown
from advisor.recommend import Advice, advise
from advisor.report import html
from advisor.report.answer import one_line
from advisor.report.document import Document, Section
from advisor.requirements import Requirements
from advisor.rule import load_rulebook
from engine import build
from engine.catalog import Catalog, Entry, Shelf
from engine.compiled import estimate
from engine.fleet import fleet

BOOK = load_rulebook()
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
MOST_BYTES = 3_000_000
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def advice() -> Advice:
    return advise(Requirements(model="resnet50", latency_s=0.010), catalog(), BOOK)


@pytest.fixture(scope="module")
def page(advice: Advice) -> str:
    return html.answer(advice, catalog(), BOOK)


def data(page: str) -> Any:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    return json.loads(found)


class Outline(HTMLParser):
    """Collects ids, addresses and headings of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "poster")]


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    return found


def test_a_page_needs_nothing_from_elsewhere(page: str) -> None:
    found = outline(page)
    assert len(page.encode()) < MOST_BYTES
    assert [address for address in found.addresses if not address.startswith("#")] == []
    assert {address[1:] for address in found.addresses} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert "default-src 'none'" in page


def test_every_part_of_an_answer_is_on_its_page(page: str, advice: Advice) -> None:
    keys = ["live", "charts", "why", "time", "winners", "alternatives", "excluded", "derivation", "sources", "not-modelled"]
    ids = [re.sub(r"^section-\d+-", "", name) for name in outline(page).ids]
    assert [key for key in ids if key in keys] == keys
    shown = unescape(page)
    for reason in advice.rationale:
        assert reason["because"] in shown
    assert all(f"<td>{choice.chip.id}</td>" in page for choice, _ in advice.alternatives)
    assert outline(page).tags.count("math") >= 3
    assert [chart["key"] for chart in data(page)["charts"]] == ["roofline", "latency", "yield", "ladder", "front"]


def test_every_stop_of_the_slider_is_what_advise_says(page: str, advice: Advice) -> None:
    stops = data(page)["live"]["stops"]
    assert [stop["limit_s"] for stop in stops] == sorted({stop["limit_s"] for stop in stops})
    assert len({stop["answer"] for stop in stops}) > 1
    assert stops[data(page)["live"]["start"]]["limit_s"] == 0.010
    for stop in stops[:: len(stops) - 1]:
        found = advise(replace(advice.request, latency_s=stop["limit_s"]), catalog(), BOOK)
        assert stop["answer"] == one_line(found)


def hostile() -> Catalog:
    """Return the catalogue with a model and a chip whose names are markup."""
    models, chips = dict(catalog().workloads.entries), dict(catalog().accelerators.entries)
    model = models["resnet18"].model.model_copy(update={"id": "hostile", "name": HOSTILE, "not_modelled": (HOSTILE,)})
    chip = chips["nvidia-l4"].model.model_copy(update={"name": HOSTILE})
    models["hostile"] = Entry(model=model, file="", ours=False)
    chips["nvidia-l4"] = Entry(model=chip, file="", ours=False)
    return replace(
        catalog(), workloads=Shelf(kind="workload", entries=models), accelerators=Shelf(kind="hardware", entries=chips)
    )


def test_a_name_that_is_markup_shows_as_text() -> None:
    request = Requirements(model="hostile", latency_s=0.010, hardware=("nvidia-l4", "nvidia-t4"))
    page = html.answer(advise(request, hostile(), BOOK), hostile(), BOOK)
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert HOSTILE in json.dumps(data(page))
    assert outline(page).tags.count("script") == 3


def test_a_page_without_a_recommendation_says_what_is_nearest() -> None:
    request = Requirements(model="resnet50", latency_s=1e-7)
    page = html.answer(advise(request, catalog(), BOOK), catalog(), BOOK)
    assert "Nearest miss" in page
    assert data(page)["charts"] == []
    assert "machine" in data(page)["live"]


@pytest.mark.parametrize(
    ("arguments", "section"),
    [
        (("insights", "--models", "resnet18", "--hardware", "nvidia-l4", "--batch", "1,8"), '-tiers"'),
        (("claims",), '-batch-size-study"'),
        (("sweep", "--model", "resnet18", "--hardware", "nvidia-l4", "--batch", "1,8"), '-resnet18"'),
    ],
)
def test_the_other_reports_have_pages(arguments: tuple[str, ...], section: str, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    with pytest.raises(SystemExit) as stop:
        main((*arguments, "--format", "html", "--out", str(out)))
    page = out.read_text(encoding="utf-8")
    assert not stop.value.code
    assert section in page
    assert len(data(page)["charts"]) == (3 if arguments[0] == "insights" else 0)
    assert [address for address in outline(page).addresses if not address.startswith("#")] == []


def test_a_section_may_be_called_as_a_part_of_the_page() -> None:
    sections = tuple(Section(key="data", title="One", text=("text",)) for _ in range(2))
    found = outline(html.page(Document(title="t", about=(), sections=sections)))
    assert len(found.ids) == len(set(found.ids))
    assert found.ids.count("data") == 1


# In a browser.

DOUBLE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const peak = document.getElementById("peak");
  peak.value = 1;
  peak.dispatchEvent(new Event("input"));
}, 500));
</script>
"""

DRIVE = """
<script>
addEventListener("load", () => setTimeout(() => {
  const limit = document.getElementById("limit");
  limit.value = %d;
  limit.dispatchEvent(new Event("input"));
  const batch = document.getElementById("batch");
  batch.value = 1;
  batch.dispatchEvent(new Event("input"));
  document.querySelector("[id$=-alternatives] th:nth-child(5) button").click();
  document.documentElement.dataset.driven = "yes";
}, 500));
</script>
"""


def browsed(page: str, script: str, folder: Path) -> tuple[str, list[str]]:
    """Return a page as a browser has it after its scripts and one more ran, and what it said on its console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    before, end, after = page.rpartition("</body>")
    (folder / "page.html").write_text(before + script + end + after, encoding="utf-8")
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=8000",
               f"--user-data-dir={folder / 'profile'}", "--dump-dom")  # fmt: skip
    done = subprocess.run(
        [CHROMIUM, *options, (folder / "page.html").as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def element(dom: str, name: str) -> str:
    """Return the text of an element without elements in it."""
    (found,) = re.findall(rf'id="{name}"[^>]*>([^<]*)<', dom)
    return unescape(found)


def test_a_browser_moves_the_limit_and_sees_what_advise_says(page: str, advice: Advice, tmp_path: Path) -> None:
    stop = 0
    dom, console = browsed(page, DRIVE % stop, tmp_path)
    assert console == []
    assert 'data-driven="yes"' in dom
    limit = data(page)["live"]["stops"][stop]
    found = advise(replace(advice.request, latency_s=limit["limit_s"]), catalog(), BOOK)
    assert element(dom, "recommendation") == one_line(found) != one_line(advice)
    assert element(dom, "limit-shown") == limit["shown"]
    assert dom.count("<canvas") + dom.count("<svg") >= 5


def test_a_browser_recomputes_a_pass_and_sorts_a_table(page: str, advice: Advice, tmp_path: Path) -> None:
    dom, _ = browsed(page, DRIVE % 1, tmp_path)
    best = advice.recommendation
    assert best is not None
    one = advise(replace(advice.request, batch=1, hardware=(best.chip.id,), dtypes=(best.slot.dtype,)), catalog(), BOOK)
    assert one.recommendation is not None
    told = one_line(one).split(" · ")
    assert element(dom, "batch-shown") == "1"
    assert element(dom, "figure-90-sure") + " (90 % sure)" == told[3]
    assert element(dom, "figure-throughput") == told[4]
    assert element(dom, "figure-energy") + " each" == told[5]
    table = dom[re.search(r'<section id="section-\d+-alternatives"', dom).start() :]  # type: ignore[union-attr]
    throughputs = [float(cell.replace(",", "")) for cell in re.findall(r'<td class="right">([\d,.]+)</td>', table)[2::5]]
    assert throughputs[:5] == sorted(throughputs[:5])


def test_a_browser_recomputes_a_pass_at_twice_the_peak(page: str, advice: Advice, tmp_path: Path) -> None:
    dom, console = browsed(page, DOUBLE, tmp_path)
    assert console == []
    best = advice.recommendation
    assert best is not None
    chip, constants, dtype = catalog().accelerators[best.chip.id], catalog().constants[best.chip.id], best.slot.dtype
    twice = fleet(chip, constants, dtype, {"peak": [2 * catalog().machine(chip.id, dtype).peak]}).machine(0)
    points = estimate(build(catalog().workloads["resnet50"]), [twice], [[float(best.facts["batch"])]])
    assert element(dom, "figure-90-sure") == shown("latency_p90_s", float(points.latency_p90_s[0, 0]))
    assert element(dom, "figure-90-sure") != shown("latency_p90_s", float(best.facts["latency_p90_s"]))
