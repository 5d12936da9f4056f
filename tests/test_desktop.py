"""The desktop example, used as somebody would: typed into, turned, looked at and closed, without a display."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from processes import run_python

from scope_edge import Price, Router
from scope_edge.bundle import default_bundle
from scope_edge.cards import ModelCard

EXAMPLE = Path(__file__).parents[1] / "examples" / "desktop"
if not EXAMPLE.is_dir():
    pytest.skip("examples/ is not beside the tests", allow_module_level=True)
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
try:
    from PySide6.QtCore import QObject, Qt, Signal
    from PySide6.QtGui import QColor
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QApplication, QLabel, QWidget
except ImportError as error:
    pytest.skip(f"the desktop example needs PySide6 and what it links to: {error}", allow_module_level=True)

sys.path.append(str(EXAMPLE))
import words  # noqa: E402
import worker as worker_module  # noqa: E402
from bars import ACCURACY, COST, MODEL  # noqa: E402
from theme import DARK, LIGHT, Colours, Look, Theme  # noqa: E402
from window import Window  # noqa: E402
from worker import Forecast, Forecaster, Mailbox, Request  # noqa: E402

PROMPT = "What is 17 * 23?"
FIVE_HUNDRED_WORDS = " ".join("abcdefghij"[at % 10] for at in range(500))
PATIENCE_S = 60.0


def until(holds: Callable[[], Any], what: str) -> None:
    """Let Qt work until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        QApplication.processEvents()
        time.sleep(0.001)


@pytest.fixture(scope="module")
def application() -> QApplication:
    existing = QApplication.instance()
    return existing if isinstance(existing, QApplication) else QApplication([])


@pytest.fixture(autouse=True)
def nothing_raised(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An exception in a slot is printed and forgotten by Qt, but not here."""
    raised: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *what: raised.append(what))
    yield
    assert raised == []


@pytest.fixture
def theme(application: QApplication) -> Theme:
    return Theme(application, Look.LIGHT)


@pytest.fixture
def window(theme: Theme) -> Iterator[Window]:
    """An open window whose worker has begun to load."""
    window = Window(Forecaster(), theme)
    window.show()
    window.forecaster.start()
    yield window
    window.close()
    window.forecaster.close()
    # Here, while no worker runs: the collector may start in any thread, and widgets must not be freed in another's.
    gc.collect()


@pytest.fixture
def forecasts(window: Window) -> list[Forecast]:
    """What the window has shown."""
    shown: list[Forecast] = []
    window.shown.connect(shown.append)
    return shown


def settled(window: Window, forecasts: list[Forecast]) -> Forecast:
    """The forecast of what the window asks for now, with its reasons."""
    now = (window.editor.toPlainText(), window.dial.value() / 100, True)

    def is_there() -> bool:
        request = forecasts[-1].request if forecasts else None
        return request is not None and (request.prompt, request.alpha, request.with_reasons) == now

    until(is_there, f"the reasons at {now[1]} of {now[0][:40]!r}")
    return forecasts[-1]


def cell(window: Window, row: int, column: int) -> str:
    return str(window.table.data(window.table.index(row, column)))


def test_typing_asks_the_worker_and_never_this_thread(
    window: Window, forecasts: list[Forecast], router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, list[threading.Thread]] = {"load": [], "estimate": [], "decide": [], "explain": []}

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*asked: Any, **named: Any) -> Any:
            threads[name].append(threading.current_thread())
            return function(*asked, **named)

        return noted

    monkeypatch.setattr(Router, "load", noting("load", Router.load))
    monkeypatch.setattr(Router, "estimate", noting("estimate", Router.estimate))
    monkeypatch.setattr(worker_module.Tradeoff, "decide", noting("decide", worker_module.Tradeoff.decide))
    monkeypatch.setattr(worker_module.Decision, "explain", noting("explain", worker_module.Decision.explain))
    for character in FIVE_HUNDRED_WORDS:
        QTest.keyClicks(window.editor, character)
        QApplication.processEvents()
    assert window.editor.toPlainText() == FIVE_HUNDRED_WORDS
    decision = settled(window, forecasts).decision
    assert threads["estimate"]
    assert threads["explain"]
    assert all(thread is not threading.main_thread() for noted in threads.values() for thread in noted)
    assert len(threads["estimate"]) <= len(FIVE_HUNDRED_WORDS) + 1
    monkeypatch.undo()
    expected = router.route(FIVE_HUNDRED_WORDS, alpha=0.5)
    assert (decision.model, decision.p_correct) == (expected.model, expected.p_correct)
    assert window.chosen.text() == expected.model == cell(window, 0, MODEL)
    assert window.table.rowCount() == len(router.models)


def test_the_dial_chooses_anew_without_estimating_anew(
    window: Window, forecasts: list[Forecast], router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.editor.setPlainText(PROMPT)
    settled(window, forecasts)
    monkeypatch.setattr(Router, "estimate", lambda *_: pytest.fail("estimated again"))
    window.dial.setFocus()
    chosen = []
    for key in (Qt.Key.Key_Home, Qt.Key.Key_End):
        QTest.keyClick(window.dial, key)
        chosen.append(settled(window, forecasts).decision.model)
        assert window.chosen.text() == chosen[-1]
    monkeypatch.undo()
    assert chosen == [router.route(PROMPT, alpha=alpha).model for alpha in (0, 1)]
    assert window.worth.text() == "only accuracy counts"


def test_what_is_said_is_what_was_decided(window: Window, forecasts: list[Forecast]) -> None:
    window.editor.setPlainText(PROMPT)
    forecast = settled(window, forecasts)
    decision, explanation = forecast.decision, forecast.explanation
    assert explanation is not None
    assert f"{decision.p_correct:.0%} likely" in window.figures.text()
    assert words.cost(decision.cost_usd) in window.figures.text()
    assert explanation.runner_up is not None
    assert explanation.runner_up.model in window.runner_up.text()
    assert window.why.accessibleDescription().count("odds times") == 3
    steps = [step.model for step in explanation.steps]
    assert all(model in window.strip.accessibleDescription() for model in steps)
    assert "approximate list prices without a date" in window.status.text()
    # The table reads the same aloud, and states the price it counts with.
    aloud = window.table.data(window.table.index(0, ACCURACY), Qt.ItemDataRole.AccessibleTextRole)
    assert decision.model in aloud
    assert "per million tokens" in aloud


def test_the_models_are_ordered_when_typing_pauses_and_not_before(window: Window, forecasts: list[Forecast]) -> None:
    window.editor.setPlainText(PROMPT)
    settled(window, forecasts)
    before = [cell(window, row, MODEL) for row in range(5)]
    window.editor.setPlainText("Prove that there are infinitely many primes, and write it in Lean.")
    until(lambda: forecasts[-1].request.prompt.startswith("Prove"), "the first answer")
    if forecasts[-1].explanation is None:
        assert [cell(window, row, MODEL) for row in range(5)] == before
        assert window.why.stale
    decision = settled(window, forecasts).decision
    assert not window.why.stale
    estimates = decision.estimates
    worth = decision.value_usd * estimates.p_correct - estimates.cost_usd
    shown = [estimates.models.index(cell(window, row, MODEL)) for row in range(len(estimates.models))]
    assert estimates.models[shown[0]] == decision.model
    assert all(worth[shown[1:-1]] >= worth[shown[2:]])


def test_bars_are_as_long_as_p_and_whiskers_as_the_interval(window: Window, forecasts: list[Forecast]) -> None:
    window.editor.setPlainText(PROMPT)
    settled(window, forecasts)
    QApplication.processEvents()
    picture = window.view.viewport().grab().toImage()
    ratio = picture.devicePixelRatio()
    for row in (0, 3):
        figures = window.table.row(row)
        rect = window.view.visualRect(window.table.index(row, ACCURACY))
        middle = rect.top() + rect.height() / 2
        at_line, beside = (
            [
                picture.pixelColor(x, round((middle + off) * ratio)).name()
                for x in range(round(rect.left() * ratio), round(rect.right() * ratio))
            ]
            for off in (0, 3)
        )
        bar, track = (LIGHT.accent if figures.chosen else LIGHT.bar), LIGHT.line
        first, last = beside.index(bar), len(beside) - 1 - beside[::-1].index(track)
        wide = last - first + 1
        assert beside.count(bar) / wide == pytest.approx(figures.p, abs=0.05)
        whisker = [x for x in range(first, last) if at_line[x] not in (bar, track)]
        assert (whisker[0] - first) / wide == pytest.approx(figures.low, abs=0.05)
        assert (whisker[-1] - first) / wide == pytest.approx(figures.high, abs=0.05)


def test_both_looks_are_painted_in_their_colours(window: Window, forecasts: list[Forecast], theme: Theme) -> None:
    window.editor.setPlainText(PROMPT)
    settled(window, forecasts)
    for look, colours in ((Look.DARK, DARK), (Look.LIGHT, LIGHT)):
        theme.wear(look)
        QApplication.processEvents()
        picture = window.grab().toImage()
        assert picture.pixelColor(4, 4).name() == colours.window
        names = {
            picture.pixelColor(x, y).name() for x in range(0, picture.width(), 2) for y in range(0, picture.height(), 2)
        }
        assert {colours.surface, colours.accent, colours.bar, colours.line, colours.chosen} <= names
        assert len(names) > 100  # smoothed text


class Hints(QObject):
    """A system whose colour scheme can be changed, which Qt without a display has none of."""

    colorSchemeChanged = Signal(object)  # noqa: N815
    scheme = Qt.ColorScheme.Unknown

    def colorScheme(self) -> Qt.ColorScheme:  # noqa: N802
        return self.scheme

    def change(self, scheme: Qt.ColorScheme) -> None:
        self.scheme = scheme
        self.colorSchemeChanged.emit(scheme)


def test_the_look_follows_the_system_unless_told(application: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    hints = Hints()
    monkeypatch.setattr(QApplication, "styleHints", lambda *_: hints)
    theme = Theme(application)
    window = Window(Forecaster(), theme)
    window.show()
    for scheme, colours in ((Qt.ColorScheme.Dark, DARK), (Qt.ColorScheme.Light, LIGHT), (Qt.ColorScheme.Dark, DARK)):
        hints.change(scheme)
        assert theme.colours is colours
        assert window.grab().toImage().pixelColor(4, 4).name() == colours.window
    worn = []
    for _ in range(3):
        QTest.keyClick(window.theme_button, Qt.Key.Key_Space)
        worn.append((theme.look, theme.colours, window.theme_button.text()))
    assert worn == [(Look.LIGHT, LIGHT, "Light"), (Look.DARK, DARK, "Dark"), (Look.SYSTEM, DARK, "System")]
    theme.wear(Look.DARK)
    hints.change(Qt.ColorScheme.Light)
    assert theme.colours is DARK
    window.close()


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(colours: Colours) -> None:
    def luminance(name: str) -> float:
        parts = (QColor(name).redF(), QColor(name).greenF(), QColor(name).blueF())
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        dark, bright = sorted((luminance(one), luminance(other)))
        return (bright + 0.05) / (dark + 0.05)

    for text in (colours.text, colours.muted, colours.accent, colours.warning):
        assert contrast(text, colours.surface) >= 4.5  # WCAG 2, AA
        assert contrast(text, colours.window) >= 4.5
    assert contrast(colours.accent, colours.chosen) >= 4.5
    assert contrast(colours.on_accent, colours.accent) >= 4.5
    assert all(QColor(getattr(colours, field.name)).isValid() for field in fields(colours))


def test_it_is_used_without_a_mouse(window: Window) -> None:
    window.activateWindow()
    assert QTest.qWaitForWindowActive(window)
    assert window.focusWidget() is window.editor  # where somebody begins
    for following in (window.dial, window.view, window.theme_button):
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        assert window.focusWidget() is following
    buddies = {label.buddy() for label in window.findChildren(QLabel) if "&" in label.text()}
    assert {window.editor, window.dial, window.view} <= buddies
    window.dial.setValue(50)
    QTest.keyClick(window, Qt.Key.Key_PageUp, Qt.KeyboardModifier.ControlModifier)
    assert window.dial.value() == 55
    QTest.keyClick(window, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert window.theme.look is Look.DARK
    for widget in (
        window.editor,
        window.dial,
        window.view,
        window.theme_button,
        window.chosen,
        window.strip,
        window.why,
    ):
        assert widget.accessibleName(), widget
    focusable = [part for part in window.findChildren(QWidget) if part.focusPolicy() & Qt.FocusPolicy.TabFocus]
    named = [part for part in focusable if part.accessibleName()]
    assert {window.editor, window.dial, window.view, window.theme_button} <= set(named)


def test_an_emptied_window_shows_nothing(window: Window, forecasts: list[Forecast]) -> None:
    window.editor.setPlainText(PROMPT)
    settled(window, forecasts)
    window.editor.setPlainText("late")
    window.editor.clear()
    QTest.qWait(200)  # the answer to "late" may come still
    assert (window.chosen.text(), window.figures.text(), window.table.rowCount()) == ("", "", 0)
    window.editor.setPlainText("late")
    settled(window, forecasts)
    assert window.table.rowCount()


def test_the_mailbox_keeps_the_latest() -> None:
    mailbox = Mailbox()
    requests = [Request(text, 0.5) for text in "abc"]
    assert [mailbox.put(request) for request in requests] == [True, False, False]
    assert (mailbox.take(), mailbox.take()) == (requests[-1], None)
    assert mailbox.put(requests[0])


@pytest.mark.usefixtures("application")
def test_what_was_overtaken_is_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go, estimate = threading.Event(), threading.Event(), Router.estimate

    def slow(*asked: Any) -> Any:
        entered.set()
        assert go.wait(PATIENCE_S)
        return estimate(*asked)

    monkeypatch.setattr(Router, "estimate", slow)
    forecaster, answered = Forecaster(), []
    forecaster.answered.connect(lambda forecast: answered.append(forecast.request.prompt))
    forecaster.start()
    forecaster.ask(Request("first", 0.5))
    until(entered.is_set, "the worker")
    for text in ("second", "third", "fourth"):
        forecaster.ask(Request(text, 0.5))
    go.set()
    until(lambda: len(answered) == 2, "two answers")
    QTest.qWait(50)
    forecaster.close()
    assert answered == ["first", "fourth"]


@pytest.mark.usefixtures("application")
def test_a_new_bundle_is_taken_over_and_a_broken_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_LOOK_EVERY_MS", 20)
    folder = tmp_path / "bundle"
    shutil.copytree(default_bundle(), folder)
    forecaster, pools, answers, problems = Forecaster(folder), [], [], []
    forecaster.loaded.connect(lambda cards: pools.append(len(cards)))
    forecaster.answered.connect(answers.append)
    forecaster.failed.connect(problems.append)
    forecaster.start()
    forecaster.ask(Request(PROMPT, 1.0))
    until(lambda: answers, "an answer")
    best = answers[0].decision.model
    changed = Router.load(folder, warmup=False)
    changed.remove_model(best)
    changed.save(folder)
    until(lambda: len(answers) == 2, "the same question answered by the new bundle")
    assert pools == [pools[0], pools[0] - 1]
    assert answers[1].decision.model != best
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"bytes"', '"octets"'))
    until(lambda: problems, "the complaint")
    assert "wrong size" in problems[0]
    forecaster.ask(Request("Does it still serve?", 0.5))
    until(lambda: answers[-1].request.prompt.startswith("Does"), "an answer of the old router")
    forecaster.close()


def test_a_bundle_that_is_not_there_is_said(theme: Theme, tmp_path: Path) -> None:
    window = Window(Forecaster(tmp_path / "nowhere"), theme)
    window.show()
    window.forecaster.start()
    window.editor.setPlainText(PROMPT)
    until(lambda: "No bundle at" in window.status.text(), "the problem")
    assert "Nothing can be predicted" in window.aim.text()
    window.close()
    window.forecaster.close()


@pytest.mark.usefixtures("application")
def test_closing_while_it_loads_is_clean() -> None:
    for pause_ms in (0, 20, 100):
        forecaster = Forecaster()
        forecaster.start()
        forecaster.ask(Request(PROMPT, 0.5, with_reasons=True))
        QTest.qWait(pause_ms)
        forecaster.close()
    QApplication.processEvents()


@pytest.mark.parametrize(
    "warming", ["", "from scope_edge import jit; jit.start_warmup(); "], ids=["plain", "compiling"]
)
def test_a_process_that_ends_at_once_ends_well(warming: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(EXAMPLE)!r})\n"
        "from PySide6.QtCore import QTimer\n"
        "from PySide6.QtWidgets import QApplication\n"
        "import app\n"
        "enter = QApplication.exec\n"
        "def leave_soon(*_):\n"
        f"    {warming}QTimer.singleShot(30, QApplication.quit)\n"
        "    return enter()\n"
        "QApplication.exec = leave_soon\n"
        "sys.exit(app.main([]))\n"
    )
    run = run_python(code)
    assert (run.returncode, run.stdout) == (0, b"")
    assert b"Traceback" not in run.stderr
    assert b"QThread" not in run.stderr


def test_the_check_says_what_the_window_shows(router: Router) -> None:
    code = f"import sys; sys.path.insert(0, {str(EXAMPLE)!r}); import app; sys.exit(app.main(sys.argv[1:]))"
    run = run_python(code, "--check", PROMPT, "--theme", "dark", env={"QT_QPA_PLATFORM": None})
    assert run.returncode == 0, run.stderr.decode()
    told, expected = json.loads(run.stdout), router.route(PROMPT, alpha=0.5)
    assert (told["model"], told["p_correct"], told["models"]) == (
        expected.model,
        expected.p_correct,
        len(router.models),
    )
    assert told["shown"] == expected.model
    assert told["colours"] > 50
    failed = run_python(code, "--bundle", "/nowhere")
    assert (failed.returncode, failed.stdout) == (2, b"")
    assert failed.stderr.startswith(b"scope-edge-desktop: No bundle at")
    assert failed.stderr.count(b"\n") == 1


def test_amounts_are_honest() -> None:
    assert words.cost(0) == "free"
    assert words.cost(0.0123, borrowed=True) == "≈ $12.30"
    assert [words.amount(usd) for usd in (0.0042, 0.0996, 1234.5)] == ["$0.0042", "$0.10", "$1,234.50"]
    dated = ModelCard("a", Price(1, 2), price_date="2026-01-31")
    assert words.price_note([dated], shipped=True) == "approximate list prices of 2026-01-31"
    assert words.price_note([dated, replace(dated, price_date=None)], shipped=False) == (
        "prices of 2026-01-31, 1 without a date"
    )
    borrowed = replace(dated, price_date=None, length_source="prior")
    assert words.price_note([borrowed], shipped=False) == "prices without a date; ≈ borrowed length"


def test_a_novel_prompt_is_called_a_guess(router: Router) -> None:
    novel = router.route("Write a polite letter to my landlord about a broken heater.").explain()
    known = router.route("A shop sells pencils at 3 for 2 euros. How much do 18 pencils cost?").explain()
    assert "guess" in words.caution(novel)
    assert words.caution(known) == ""
    assert words.reasons(known)[0].says == "An easier question than most"


def test_costs_stand_in_the_table(window: Window, forecasts: list[Forecast]) -> None:
    window.editor.setPlainText(PROMPT)
    estimates = settled(window, forecasts).decision.estimates
    for row in range(window.table.rowCount()):
        column = estimates.models.index(cell(window, row, MODEL))
        is_borrowed = estimates.candidates.cards[column].length_source == "prior"
        assert cell(window, row, COST) == words.cost(float(estimates.cost_usd[column]), borrowed=is_borrowed)
        assert cell(window, row, COST).startswith("≈") == is_borrowed
