from __future__ import annotations

import os
from html.parser import HTMLParser
from importlib.util import find_spec
from typing import Any

import pytest
from reports import NASTY, POOL, report_without, report_without_figures, synthetic_report

import scope_edge.evaluate.page as page_module
from scope_edge.errors import UsageError
from scope_edge.evaluate.page import write_page
from scope_edge.evaluate.summary import summary

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="the pictures need matplotlib")


@pytest.fixture
def report() -> dict[str, Any]:
    return synthetic_report()


@pytest.fixture
def unrendered(monkeypatch) -> None:
    """Pictures are drawn but not made into PNG, which is slow."""
    monkeypatch.setattr(page_module, "png", lambda _: b"")


class Page(HTMLParser):
    """What is in a page; fails where tags do not close in order."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read_page(path: Any) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    return page


@needs_matplotlib
def test_a_page_stands_alone_and_can_be_read_by_everybody(report, tmp_path):
    path = tmp_path / "page.html"
    write_page(report, path)
    page = read_page(path)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "b", "i"})
    pictures = page.all("img")
    assert len(pictures) == 5
    assert all(str(picture["src"]).startswith("data:image/png;base64,") and picture["alt"] for picture in pictures)
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [link["href"] for link in page.all("a")]
    assert links
    assert all(link is not None and link.startswith("#") and link[1:] in ids for link in links)
    assert len(page.all("caption")) == len(page.all("table")) > 10
    assert {header.get("scope") for header in page.all("th")} == {"col", "row"}
    style = path.read_text(encoding="utf-8").split("</style>")[0]
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert "url(" not in style
    assert page.all("html") == [{"lang": "en"}]


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
def test_names_reach_the_page_whole(report, tmp_path):
    write_page(report, tmp_path / "page.html")
    texts = read_page(tmp_path / "page.html").texts
    for text in (NASTY, POOL, "(none)", "[red]best[/]", "new[1]", "cpu: A & B", "skipped MLP: needs <MiniLM>"):
        assert any(text in found for found in texts), text
    assert any(" ".join(summary(report)) in found for found in texts)


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
def test_captions_say_which_way_is_better(report, tmp_path):
    write_page(report, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    captions = [part.split("</caption>")[0] for part in text.split("<caption>")[1:]]
    assert all("better" in caption for caption in captions)


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
def test_a_page_is_written_whole_or_not_at_all(report, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("before", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(UsageError, match=r"Cannot write .*page\.html.*the disk is full"):
            write_page(report, path)
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]
    write_page(report, path)
    assert list(tmp_path.iterdir()) == [path]


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("where", ["missing/page.html", "file/page.html", "", "folder"])
def test_where_no_page_can_be_is_an_error(report, tmp_path, where):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="Cannot write"):
        write_page(report, tmp_path / where)


# --- whatever is missing ---


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("gone", [*synthetic_report(), "everything"])
def test_parts_that_are_missing_vanish(tmp_path, gone):
    write_page(report_without(gone), tmp_path / "page.html")
    page = read_page(tmp_path / "page.html")
    pictures = {"reliability": 1, "joining": 1, "novelty": 1, "token_quantiles": 1, "pools": 1, "everything": 5}
    assert len(page.all("img")) == 5 - pictures.get(gone, 0)
    assert bool(page.all("table")) == (gone != "everything")


@needs_matplotlib
@pytest.mark.usefixtures("unrendered")
def test_undefined_figures_are_left_out(tmp_path):
    write_page(report_without_figures(), tmp_path / "page.html")
    assert not any("None" in text or "nan" in text.split() for text in read_page(tmp_path / "page.html").texts)
