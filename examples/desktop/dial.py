"""The dial with a strip below that shows which models it can choose for this prompt, and the reasons as small bars."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget
from theme import Colours
from words import Reason

from scope_edge.explanation import Step

__all__ = ["ReasonBars", "Strip"]

_FULL_LOGIT = 1.5  # fills one side of a reason's bar


class Strip(QWidget):
    """The range of the dial, cut where the choice changes; the part of the chosen model is filled."""

    def __init__(self, colours: Colours) -> None:
        super().__init__()
        self.colours = colours
        self._steps: Sequence[Step] = ()
        self._chosen = ""
        self.setFixedHeight(6)
        self.setAccessibleName("Which models the dial can choose for this prompt")

    def show_steps(self, steps: Sequence[Step], chosen: str) -> None:
        """Take over the steps of an explanation."""
        self._steps, self._chosen = steps, chosen
        said = [f"{step.model} from {step.alpha_from:.2f} to {step.alpha_to:.2f}" for step in steps]
        self.setAccessibleDescription("; ".join(said))
        self.setToolTip("\n".join(said))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        room = self.width() - 16  # where the middle of the slider's handle can be
        for step in self._steps:
            if step.alpha_to > step.alpha_from:
                painter.setBrush(QColor(self.colours.accent if step.model == self._chosen else self.colours.bar))
                left, right = 8 + room * step.alpha_from, 8 + room * step.alpha_to
                painter.drawRoundedRect(QRectF(left + 1, 0, max(right - left - 2, 1), self.height()), 2, 2)


class ReasonBars(QWidget):
    """Reasons one below the other, each with a bar to the right if it raises P and to the left if it lowers it."""

    def __init__(self, colours: Colours) -> None:
        super().__init__()
        self.colours = colours
        self.stale = False
        self._reasons: Sequence[Reason] = ()
        self.setAccessibleName("Why")

    def show_reasons(self, reasons: Sequence[Reason]) -> None:
        """Take over reasons."""
        self._reasons, self.stale = reasons, False
        self.setAccessibleDescription(
            "; ".join(f"{reason.says} (odds times {math.exp(reason.logit):.2g})" for reason in reasons)
        )
        self.updateGeometry()
        self.update()

    def fade(self) -> None:
        """Show that the reasons are those of an earlier text."""
        if not self.stale:
            self.stale = True
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, 3 * self._row_height)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return self.sizeHint()

    @property
    def _row_height(self) -> int:
        return self.fontMetrics().height() + 8

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(0.4 if self.stale else 1.0)
        side, height = 40.0, self._row_height
        odds_width = painter.fontMetrics().horizontalAdvance("odds x 00.0")
        for row, reason in enumerate(self._reasons):
            middle = row * height + height / 2
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(self.colours.muted))
            painter.drawRect(QRectF(side - 0.5, middle - height / 2, 1, height))
            painter.setBrush(QColor(self.colours.raises if reason.logit > 0 else self.colours.lowers))
            long = side * min(abs(reason.logit) / _FULL_LOGIT, 1)
            painter.drawRoundedRect(QRectF(side if reason.logit > 0 else side - long, middle - 4, long, 8), 3, 3)
            painter.setPen(QColor(self.colours.text))
            text = QRectF(2 * side + 12, row * height, self.width() - 2 * side - odds_width - 20, height)
            says = painter.fontMetrics().elidedText(reason.says, Qt.TextElideMode.ElideRight, int(text.width()))
            painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, says)
            painter.setPen(QColor(self.colours.muted))
            odds = QRectF(self.width() - odds_width, row * height, odds_width, height)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(odds, right, f"odds x {math.exp(reason.logit):.2g}")
