"""Two sets of colours, dark and light, and which of them is worn: the system's choice, or one's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

__all__ = ["DARK", "LIGHT", "Colours", "Look", "Theme"]


class Look(Enum):
    """What was asked for."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True)
class Colours:
    """Colours by what they are for. `for` and `against` tell what raises and what lowers a probability."""

    window: str
    surface: str
    line: str
    text: str
    muted: str
    accent: str
    on_accent: str
    chosen: str
    bar: str
    whisker: str
    raises: str
    lowers: str
    warning: str


LIGHT = Colours(
    window="#f4f5f7", surface="#ffffff", line="#e1e4ea", text="#1c2128", muted="#5a6675", accent="#2f62c9",
    on_accent="#ffffff", chosen="#e9effb", bar="#b9c6da", whisker="#56657a", raises="#2c8468", lowers="#b5573a",
    warning="#8a5a00",
)  # fmt: skip
DARK = Colours(
    window="#14171c", surface="#1b1f26", line="#2b313b", text="#e4e8ee", muted="#99a5b5", accent="#86aefc",
    on_accent="#10131a", chosen="#222c40", bar="#42506a", whisker="#a7b4c8", raises="#5fbf9e", lowers="#e08e6e",
    warning="#e0b25a",
)  # fmt: skip

_STYLE = """
QMainWindow, QWidget#page {{ background: {window}; }}
QFrame#card {{ background: {surface}; border: 1px solid {line}; border-radius: 10px; }}
QPlainTextEdit, QTableView {{
    background: {surface}; border: 1px solid {line}; border-radius: 10px; selection-background-color: {accent};
    selection-color: {on_accent};
}}
QPlainTextEdit {{ padding: 8px; }}
QPlainTextEdit:focus, QTableView:focus {{ border-color: {accent}; }}
QTableView {{ outline: 0; padding-right: 4px; }}
QHeaderView, QTableCornerButton::section {{ background: transparent; border: 0; }}
QHeaderView::section {{
    background: transparent; border: 0; border-bottom: 1px solid {line}; color: {muted}; padding: 7px 10px;
}}
QLabel#caption {{ color: {muted}; }}
QLabel#warning {{ color: {warning}; }}
QSlider::groove:horizontal {{ height: 4px; border-radius: 2px; background: {line}; }}
QSlider::sub-page:horizontal {{ height: 4px; border-radius: 2px; background: {accent}; }}
QSlider::handle:horizontal {{
    width: 16px; height: 16px; margin: -7px 0; border-radius: 8px; background: {accent}; border: 2px solid {surface};
}}
QSlider:focus {{ outline: none; }}
QSlider::handle:horizontal:focus {{ border: 2px solid {text}; }}
QToolButton {{
    color: {muted}; background: transparent; border: 1px solid {line}; border-radius: 8px; padding: 5px 12px;
}}
QToolButton:hover, QToolButton:focus {{ color: {text}; border-color: {accent}; }}
QToolTip {{ background: {surface}; color: {text}; border: 1px solid {line}; padding: 4px; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
QScrollBar::handle:vertical {{ background: {line}; border-radius: 3px; min-height: 32px; }}
QScrollBar::handle:vertical:hover {{ background: {bar}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ height: 0; width: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
"""


class Theme(QObject):
    """Dresses the application, again whenever the system changes from light to dark while its choice is followed."""

    changed = Signal(object)

    def __init__(self, application: QApplication, look: Look = Look.SYSTEM) -> None:
        super().__init__()
        self._application = application
        self.look = look
        application.setStyle("Fusion")
        application.styleHints().colorSchemeChanged.connect(self._dress)
        self._dress()

    @property
    def colours(self) -> Colours:
        """The colours that are worn now."""
        if self.look is Look.SYSTEM:
            dark = self._application.styleHints().colorScheme() == Qt.ColorScheme.Dark
            return DARK if dark else LIGHT
        return DARK if self.look is Look.DARK else LIGHT

    def wear(self, look: Look) -> None:
        """Follow the system, or not."""
        self.look = look
        self._dress()

    def _dress(self, *_: object) -> None:
        colours = self.colours
        palette = QPalette(QColor(colours.window))
        for role, colour in (
            (QPalette.ColorRole.Window, colours.window),
            (QPalette.ColorRole.Base, colours.surface),
            (QPalette.ColorRole.Text, colours.text),
            (QPalette.ColorRole.WindowText, colours.text),
            (QPalette.ColorRole.ButtonText, colours.text),
            (QPalette.ColorRole.PlaceholderText, colours.muted),
            (QPalette.ColorRole.Highlight, colours.accent),
            (QPalette.ColorRole.HighlightedText, colours.on_accent),
        ):
            palette.setColor(role, QColor(colour))
        self._application.setPalette(palette)
        self._application.setStyleSheet(_STYLE.format_map(vars(colours)))
        self.changed.emit(colours)
