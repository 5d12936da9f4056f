"""The window: it asks on every keystroke and shows what comes back, and never waits for it."""

from __future__ import annotations

from collections.abc import Sequence

from bars import ACCURACY, COST, MODEL, ModelTable, RowDelegate
from dial import ReasonBars, Strip
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QFont, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMainWindow,
    QPlainTextEdit,
    QSizePolicy,
    QSlider,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from theme import Colours, Look, Theme
from words import CALLS, caution, cost, is_borrowed, price_note, reasons, runner_up, worth
from worker import Forecast, Forecaster, Request

from scope_edge.cards import ModelCard

__all__ = ["Window"]

_PAUSE_MS = 250  # without a keystroke: time for the reasons, and to order the models anew
_ASK_EVERY_MS = 40  # nobody types faster; more would only keep the worker, and the interpreter's lock, busy
_TURN = 5  # per cent of the dial, per press of a key


class Window(QMainWindow):
    """A prompt on the left; what is predicted of every model on the right."""

    shown = Signal(object)
    """The forecast that is to be seen now."""

    def __init__(self, forecaster: Forecaster, theme: Theme) -> None:
        super().__init__()
        self.forecaster = forecaster
        self.theme = theme
        self._prices = ""
        self._asked: Request | None = None
        self._build()
        self._connect()
        self._recolour(theme.colours)
        self._clear("Loading the models…")

    # What is seen.

    def _build(self) -> None:
        self.setWindowTitle("scope-edge")
        self.resize(1120, 720)
        colours = self.theme.colours
        self.editor = QPlainTextEdit()
        self.editor.setPlaceholderText("Type or paste a prompt. Nothing is sent anywhere.")
        self.editor.setTabChangesFocus(True)
        self.editor.setAccessibleName("Prompt")
        self.dial = QSlider(Qt.Orientation.Horizontal)
        self.dial.setRange(0, 100)
        self.dial.setPageStep(_TURN)
        self.dial.setValue(50)
        self.dial.setAccessibleName("Dial between lowest cost and highest accuracy")
        self.strip = Strip(colours)
        self.worth = _caption()
        self.aim = _caption()
        self.chosen = QLabel()
        self.chosen.setFont(_larger(self.font(), 1.7, QFont.Weight.DemiBold))
        self.chosen.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.chosen.setAccessibleName("Chosen model")
        self.figures = QLabel()
        self.why = ReasonBars(colours)
        self.runner_up = _caption(wraps=True)
        self.caution = _caption(wraps=True)
        self.caution.setObjectName("warning")
        self.table = ModelTable()
        self.view = self._view()
        self.theme_button = QToolButton()
        self.theme_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.status = _caption()
        self.setCentralWidget(self._page())
        for first, second in (
            (self.editor, self.dial),
            (self.dial, self.view),
            (self.view, self.theme_button),
        ):
            self.setTabOrder(first, second)
        self.editor.setFocus()

    def _view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.table)
        self._delegate = RowDelegate(self.table, self.theme.colours)  # the view does not keep it
        view.setItemDelegate(self._delegate)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setShowGrid(False)
        view.setTabKeyNavigation(False)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 12)
        header = view.horizontalHeader()
        header.setSectionsClickable(False)
        header.setHighlightSections(False)
        header.setSectionResizeMode(ACCURACY, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(MODEL, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(COST, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(MODEL, 214)
        header.resizeSection(COST, 104)
        view.setAccessibleName("Models, the best trade first")
        return view

    def _page(self) -> QWidget:
        """Everything in its place."""
        ends = QHBoxLayout()
        ends.addWidget(_caption("Lowest cost"))
        ends.addWidget(self.worth, 1, Qt.AlignmentFlag.AlignCenter)
        ends.addWidget(_caption("Highest accuracy"))
        card = QFrame()
        card.setObjectName("card")
        inside = QVBoxLayout(card)
        inside.setContentsMargins(18, 14, 18, 16)
        inside.setSpacing(5)
        for widget in (self.aim, self.chosen, self.figures):
            inside.addWidget(widget)
        inside.addSpacing(6)
        inside.addWidget(self.why)
        inside.addSpacing(2)
        inside.addWidget(self.runner_up)
        inside.addWidget(self.caution)
        for label, lines in ((self.runner_up, 2), (self.caution, 1)):
            # Room for what may be said, whether it is or not: what is above must not jump while somebody types.
            label.setFixedHeight(lines * self.fontMetrics().lineSpacing() + 2)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(_label("&Prompt", self.editor))
        left.addWidget(self.editor, 1)
        left.addSpacing(6)
        left.addWidget(_label("&Dial", self.dial))
        left.addWidget(self.dial)
        left.addWidget(self.strip)
        left.addLayout(ends)
        left.addSpacing(6)
        left.addWidget(card)
        bottom = QHBoxLayout()
        bottom.addWidget(self.status, 1)
        bottom.addWidget(self.theme_button)
        right = QVBoxLayout()
        right.setSpacing(8)
        right.addWidget(_label("&Models", self.view))
        right.addWidget(self.view, 1)
        right.addLayout(bottom)
        page = QWidget()
        page.setObjectName("page")
        columns = QHBoxLayout(page)
        columns.setContentsMargins(24, 20, 24, 18)
        columns.setSpacing(24)
        columns.addLayout(left, 9)
        columns.addLayout(right, 11)
        return page

    # What happens.

    def _connect(self) -> None:
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._ask_why)
        self._pace = QTimer(self)
        self._pace.setSingleShot(True)
        self._pace.setInterval(_ASK_EVERY_MS)
        self._pace.timeout.connect(self._ask)
        self.editor.textChanged.connect(self._change)
        self.dial.valueChanged.connect(self._change)
        self.forecaster.loaded.connect(self._show_pool)
        self.forecaster.answered.connect(self._show)
        self.forecaster.failed.connect(self._show_problem)
        self.theme.changed.connect(self._recolour)
        wear = QAction("Colours", self)
        wear.setShortcut(QKeySequence("Ctrl+T"))
        wear.triggered.connect(self._next_look)
        self.theme_button.clicked.connect(wear.trigger)
        self.addAction(wear)
        for keys, by in (("Ctrl+PgUp", _TURN), ("Ctrl+PgDown", -_TURN)):
            turn = QAction(self)
            turn.setShortcut(QKeySequence(keys))
            turn.triggered.connect(lambda _=False, by=by: self.dial.setValue(self.dial.value() + by))
            self.addAction(turn)
        leave = QAction(self)
        leave.setShortcut(QKeySequence(QKeySequence.StandardKey.Quit))
        leave.triggered.connect(self.close)
        self.addAction(leave)

    def _request(self, *, with_reasons: bool) -> Request | None:
        """What is to be known now; None while there is no text."""
        prompt = self.editor.toPlainText()
        return Request(prompt, self.dial.value() / 100, with_reasons) if prompt.strip() else None

    def _change(self) -> None:
        """On every keystroke, and every turn of the dial."""
        if self._request(with_reasons=False) is None:
            self._pause.stop()
            self._asked = None
            self._clear("Ready. Models are compared as you type.")
            return
        self._pause.start()
        if not self._pace.isActive():
            self._ask()

    def _ask(self) -> None:
        """At once after a pause, at a steady pace within a flow of keystrokes."""
        request = self._request(with_reasons=False)
        if request is not None and request != self._asked:
            self.forecaster.ask(request)
            self._asked = request
            self._pace.start()

    def _ask_why(self) -> None:
        request = self._request(with_reasons=True)
        if request is not None:
            self.forecaster.ask(request)

    def _show(self, forecast: Forecast) -> None:
        if not self.editor.toPlainText().strip():
            return  # an answer to a text that is gone
        decision, explanation = forecast.decision, forecast.explanation
        estimates = decision.estimates
        column = estimates.models.index(decision.model)
        borrowed = is_borrowed(estimates.candidates.cards[column])
        self.table.show(decision)
        self.aim.setText("The best trade at this point of the dial")
        self.chosen.setText(decision.model)
        self.figures.setText(
            f"{decision.p_correct:.0%} likely to be right ({estimates.p_low[column]:.0%} to "
            f"{estimates.p_high[column]:.0%}), {cost(decision.cost_usd, borrowed=borrowed)} for {CALLS:,} such calls"
        )
        self.worth.setText(worth(decision.value_usd))
        self.status.setText(f"{len(estimates.models)} models in {forecast.took_ms:.1f} ms; {self._prices}")
        self.status.setToolTip("")
        if explanation is None:
            self.why.fade()
        else:
            self.table.rank()
            self.view.scrollToTop()
            self.why.show_reasons(reasons(explanation))
            self.runner_up.setText(runner_up(explanation))
            self.caution.setText(caution(explanation))
            self.strip.show_steps(explanation.steps, decision.model)
        self.shown.emit(forecast)

    def _show_pool(self, cards: Sequence[ModelCard]) -> None:
        self._prices = price_note(cards, self.forecaster.shipped)
        if not self.editor.toPlainText().strip():
            self.status.setText(f"{len(cards)} models; {self._prices}")
            self.aim.setText("Ready. Models are compared as you type.")

    def _show_problem(self, problem: str) -> None:
        self.status.setText(problem)
        self.status.setToolTip(problem)  # the line may be cut off
        if not self.chosen.text():
            self.aim.setText("Nothing can be predicted. The line at the bottom says why.")

    def _clear(self, aim: str) -> None:
        self.table.clear()
        self.aim.setText(aim)
        for label in (self.chosen, self.figures, self.runner_up, self.caution, self.worth):
            label.clear()
        self.why.show_reasons([])
        self.strip.show_steps((), "")

    def _next_look(self) -> None:
        looks = list(Look)
        self.theme.wear(looks[(looks.index(self.theme.look) + 1) % len(looks)])

    def _recolour(self, colours: Colours) -> None:
        for part in (self._delegate, self.strip, self.why):
            part.colours = colours
        self.strip.update()
        self.why.update()
        self.view.viewport().update()
        look = self.theme.look.value
        self.theme_button.setText(look.capitalize())
        self.theme_button.setAccessibleName(f"Colours: {look}. Press to change")
        self.theme_button.setToolTip("Colours (Ctrl+T)")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self._pause.stop()
        self._pace.stop()
        super().closeEvent(event)


def _label(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(buddy)
    label.setFont(_larger(label.font(), 1.0, QFont.Weight.DemiBold))
    return label


def _caption(text: str = "", *, wraps: bool = False) -> QLabel:
    label = QLabel(text)
    label.setObjectName("caption")
    label.setWordWrap(wraps)
    if not text and not wraps:
        # A long line that comes later is cut off; it must not widen the window.
        label.setSizePolicy(QSizePolicy.Policy.Ignored, label.sizePolicy().verticalPolicy())
    return label


def _larger(font: QFont, times: float, weight: QFont.Weight) -> QFont:
    font.setPointSizeF(font.pointSizeF() * times)
    font.setWeight(weight)
    return font
