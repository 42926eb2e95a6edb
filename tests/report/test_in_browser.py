"""The report in headless Chromium: it works, complains of nothing, and asks nobody for anything."""

import pytest

from envbuild.cli.main import run
from envbuild.report import gather, page
from tests.report.browser import browser, missing_browser
from tests.support.cases import CASES
from tests.unit.report.test_report import HOSTILE, SMALL, conda, lock

pytestmark = pytest.mark.skipif(bool(missing_browser()), reason=missing_browser() or "there is one")


@pytest.fixture(scope="module")
def chromium():
    with browser() as session:
        yield session


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page(gather(SMALL, title="science", file="conda-lock.yml", requested=["numpy"])))
    return path


def is_quiet(chromium, report):
    assert [one for one in chromium.console() if one["level"] in ("SEVERE", "WARNING")] == []
    outside = [one for one in chromium.requested() if not one.startswith(("data:", report.as_uri()))]
    assert outside == []


def test_a_click_on_the_treemap_shows_the_package(chromium, report):
    chromium.open(report)
    chromium.click(".treemap a[aria-label^=numpy]")
    shown = chromium.run("return document.getElementById('chosen').innerText")
    assert shown.startswith("numpy 1.0 0")
    assert "8.6 MiB, layer conda" in shown
    assert "needs: openssl" in shown
    assert chromium.run("return document.querySelectorAll('.treemap a.on').length") == 1
    # and from there to what it needs, without leaving the picture
    chromium.click("#chosen p a")
    assert chromium.run("return document.querySelector('#chosen h3').innerText").startswith("openssl")
    assert chromium.run("return document.querySelector('.treemap a.on').getAttribute('aria-label')").startswith(
        "openssl"
    )
    assert chromium.run("return location.hash") == ""
    is_quiet(chromium, report)


def test_the_filter_and_the_order_of_the_table(chromium, report):
    chromium.open(report)
    visible = "return [...document.querySelectorAll('#table tbody tr')].filter(one => !one.hidden).map(one => one.cells[0].innerText)"
    assert chromium.run(visible) == ["flask", "numpy", "openssl"]
    chromium.click("#table thead th:nth-child(4) button")
    chromium.click("#table thead th:nth-child(4) button")
    assert chromium.run(visible)[0] == "numpy"
    chromium.run("const f = document.getElementById('filter'); f.value = 'flas'; f.dispatchEvent(new Event('input'))")
    assert chromium.run(visible) == ["flask"]
    is_quiet(chromium, report)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_names_do_nothing(chromium, tmp_path, number):
    from dataclasses import replace

    text = HOSTILE[number]
    packages = [replace(conda("numpy"), version=text, license=text, url=text, size=10**6), conda("openssl")]
    path = tmp_path / "hostile.html"
    path.write_text(page(gather(lock(packages), title=text, file=text, previous=lock(), against=text)))
    chromium.open(path)
    chromium.click(".treemap a[data-number='0']")
    assert "layer conda" in chromium.run("return document.getElementById('chosen').innerText")
    assert chromium.run("return document.querySelectorAll('img, iframe, object, embed').length") == 0
    is_quiet(chromium, path)


def test_it_can_be_read_without_javascript(report):
    with browser(javascript=False) as session:
        session.open(report)
        session.click(".treemap a[aria-label^=numpy]")
        # the link leads to the row by itself; ChromeDriver's own scripts run all the same
        assert session.run("return location.hash") == session.run("return '#' + document.querySelector('tr:target').id")
        assert session.run("return document.getElementById('filter').parentElement.hidden") is True
        is_quiet(session, report)


def test_the_command_writes_a_page_that_works(chromium, tmp_path, capsys):
    out = tmp_path / "report.html"
    case = CASES / "conda-and-pip"
    assert (
        run(
            [
                "report",
                str(case / "environment.yml"),
                "-o",
                str(out),
                "--against",
                str(CASES / "conda-only/conda-lock.yml"),
            ]
        )
        == 0
    )
    chromium.open(out)
    text = chromium.run("return document.body.innerText")
    assert "image key" in text
    assert "added" in text
    chromium.screenshot(tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 20_000
    is_quiet(chromium, out)
