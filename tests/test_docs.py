"""The pages for users: their links lead somewhere, their commands exist, and what they show is what is printed."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pages import shape
from typer.main import get_command

from scope_edge.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "bench/README.md")), *(ROOT / "docs").glob("*.md")]

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def pages() -> list[Path]:
    if not (ROOT / "docs").exists():
        pytest.skip("docs/ is not beside the tests")
    return PAGES


def links(page: str) -> list[str]:
    """The targets of a page's links and pictures, without those in code."""
    text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", page))
    return re.findall(r"\]\(([^)\s]+)[^)]*\)", text) + re.findall(r"^\[[^\]]+\]:\s+(\S+)", text, re.MULTILINE)


def anchors(page: str) -> set[str]:
    """The anchors that a code host gives the headings: letters, digits, - and _, a number where one comes again."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.*)$", FENCED.sub("", page), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        again = sum(re.fullmatch(re.escape(slug) + r"(-\d+)?", other) is not None for other in found)
        found.add(f"{slug}-{again}" if again else slug)
    return found


def broken(page: Path) -> Iterator[str]:
    """The relative links of a page that lead nowhere."""
    for link in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            yield link


def commands(page: str) -> Iterator[list[str]]:
    """The words behind `scope-edge` of every command in a page, in blocks and in running text."""
    prose = FENCED.sub("", page)
    code = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    code += re.findall(r"(?:^ {4}.*\n)+", prose, re.MULTILINE)
    code += re.findall(r"^\$ (.*)$", "".join(re.findall(r"^```console\n.*?^```$", page, re.M | re.S)), re.MULTILINE)
    code += [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose)]
    for line in "\n".join(code).replace("\\\n", " ").splitlines():
        for command in re.split(r" && | \| ", line.strip()):
            if command.startswith("scope-edge "):
                yield shlex.split(command, comments=True)[1:]


def test_every_relative_link_leads_somewhere(pages):
    assert {page.name: found for page in pages if (found := list(broken(page)))} == {}


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    first, second = tmp_path / "a.md", tmp_path / "b.md"
    first.write_text("# One `two`, 3\n\n[x](b.md) ![y](c.png) [z](#one-two-3) [n](#no) [w](https://x.y)\n")
    second.write_text("# B\n\n```\n[x](none.md)\n```\n\n[a](a.md#one-two-3) [b](a.md#one) `[x](none.md)`\n")
    assert list(broken(first)) == ["c.png", "#no"]
    assert list(broken(second)) == ["a.md#one"]
    assert anchors("# A b\n# A b\n## [L](x.md): `--x`\n") == {"a-b", "a-b-1", "l---x"}


def test_every_command_exists_with_the_options_shown(pages):
    program = get_command(app)
    known = {
        name: {"-h", "--help"}.union(*(option.opts + option.secondary_opts for option in command.params))
        for name, command in {"": program, **program.commands}.items()
    }
    seen = set()
    for page in pages:
        for words in commands(page.read_text(encoding="utf-8")):
            name = "" if words[0].startswith("-") else words.pop(0)
            assert name in known, f"{page.name}: there is no scope-edge {name}"
            shown = {word.partition("=")[0] for word in words if re.match("--?[a-z]", word)}
            assert shown <= known[name], f"{page.name}: scope-edge {name} has no {' '.join(shown - known[name])}"
            seen.add(name)
    assert seen == set(known)


def test_what_to_install_is_quoted_as_every_shell_takes_it(pages):
    """In Windows' cmd a single quote is a letter like any other."""
    for page in pages:
        assert not re.findall(r"'[\w.-]*\[[\w,]+\]'", page.read_text(encoding="utf-8")), page.name


def test_commands_are_found_wherever_they_stand():
    page = "`scope-edge models --json`\n\n```bash\npip install . && scope-edge route A \\\n  --top 3  # two\n```\n"
    page += "\n    scope-edge plan FILE --risk 0.1\n\n```console\n$ scope-edge verify\nscope-edge 0.1\n```\n"
    found = [["models", "--json"], ["plan", "FILE", "--risk", "0.1"], ["route", "A", "--top", "3"], ["verify"]]
    assert sorted(commands(page)) == found


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("name", ["quickstart.md", "explanations.md", "limits.md"])
def test_a_page_shows_what_is_printed(name, tmp_path):
    rerun = script("rerun")
    assert name in rerun.PAGES
    (tmp_path / "docs" / "plots").mkdir(parents=True)  # where explanations.md draws
    shown = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert rerun.SHOWN.search(shown)
    assert shape(rerun.answered(shown, tmp_path)) == shape(shown)


@pytest.mark.usefixtures("pages")
def test_times_beside_others_are_those_of_the_readme():
    times = re.findall(r"^\|.* / .*\|$", (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(times) == 5
    assert set(times) <= set((ROOT / "README.md").read_text(encoding="utf-8").splitlines())


@pytest.mark.usefixtures("pages")
def test_the_figure_is_of_the_shipped_bundle(router):
    drawn = (ROOT / "docs" / "images" / "how-it-works.svg").read_text(encoding="utf-8")
    now, then = (re.findall(r"<text[^>]*>([^<]*)", picture) for picture in (script("figure").figure(router), drawn))
    assert shape(" ".join(now)) == shape(" ".join(then))


def script(name: str) -> ModuleType:
    """A script of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
