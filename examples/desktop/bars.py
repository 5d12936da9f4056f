"""The models as a table, whose bars are drawn by a delegate: Qt scrolls it, reads it aloud and takes the keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem
from theme import Colours
from words import CALLS, cost, is_borrowed

from scope_edge import Decision

__all__ = ["ACCURACY", "COST", "MODEL", "ModelTable", "RowDelegate"]

Index = QModelIndex | QPersistentModelIndex

MODEL, ACCURACY, COST = range(3)
_HEADINGS = ("Model", "Right answer, with its 80% interval", f"{CALLS:,} calls")
_BAR = Qt.ItemDataRole.UserRole


class ModelTable(QAbstractTableModel):
    """What is predicted of every model. Rows keep their places while figures change; `rank` orders them anew."""

    def __init__(self, colours: Colours) -> None:
        super().__init__()
        self.colours = colours
        self._decision: Decision | None = None
        self._columns: list[int] = []
        """Which column of the estimates stands in each row."""

    def show(self, decision: Decision) -> None:
        """Take over new figures."""
        same_pool = self._decision is not None and self._decision.estimates.models == decision.estimates.models
        self._decision = decision
        if same_pool:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._columns) - 1, COST))
        else:
            self.rank()

    def clear(self) -> None:
        """Show nothing."""
        self.beginResetModel()
        self._decision, self._columns = None, []
        self.endResetModel()

    def rank(self) -> None:
        """Order by what a call is worth at the dial, value times P less cost; the chosen one leads."""
        if self._decision is None:
            return
        estimates, value = self._decision.estimates, self._decision.value_usd
        worth = estimates.p_correct if value == math.inf else value * estimates.p_correct - estimates.cost_usd
        order = np.lexsort((estimates.candidates.order, estimates.cost_usd, -worth)).tolist()
        chosen = estimates.models.index(self._decision.model)
        self.beginResetModel()
        self._columns = [chosen, *(column for column in order if column != chosen)]
        self.endResetModel()

    def is_chosen(self, row: int) -> bool:
        """Whether the row is of the chosen model."""
        decision = self._decision
        return decision is not None and decision.estimates.models[self._columns[row]] == decision.model

    # What Qt asks a model.

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802
        return 0 if parent.isValid() else len(self._columns)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802
        return 0 if parent.isValid() else len(_HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _HEADINGS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = Qt.AlignmentFlag.AlignRight if section == COST else Qt.AlignmentFlag.AlignLeft
            return right | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if self._decision is None or not index.isValid():
            return None
        estimates, column = self._decision.estimates, self._columns[index.row()]
        card = estimates.candidates.cards[column]
        borrowed = is_borrowed(card)
        if role == _BAR and index.column() == ACCURACY:
            return tuple(float(row[column]) for row in (estimates.p_correct, estimates.p_low, estimates.p_high))
        if role == Qt.ItemDataRole.DisplayRole:
            if index.column() == MODEL:
                return card.model
            if index.column() == COST:
                return cost(float(estimates.cost_usd[column]), borrowed=borrowed)
            return None  # the delegate draws it
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return self._in_words(column, borrowed)
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == COST:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ForegroundRole and self.is_chosen(index.row()):
            return QColor(self.colours.accent)
        if role == Qt.ItemDataRole.FontRole and self.is_chosen(index.row()):
            font = QFont()
            font.setWeight(QFont.Weight.DemiBold)
            return font
        return None

    def _in_words(self, column: int, borrowed: bool) -> str:
        assert self._decision is not None
        estimates = self._decision.estimates
        price = estimates.candidates.cards[column].price
        p, low, high = (float(row[column]) for row in (estimates.p_correct, estimates.p_low, estimates.p_high))
        return (
            f"{estimates.models[column]}: {p:.0%} likely to be right, between {low:.0%} and {high:.0%}; about "
            f"{estimates.output_tokens[column]:.0f} tokens of answer"
            f"{', a length borrowed from comparable models' if borrowed else ''}; "
            f"{cost(float(estimates.cost_usd[column]))} for {CALLS:,} calls at ${price.input_usd_per_mtok:g} and "
            f"${price.output_usd_per_mtok:g} per million tokens of prompt and answer"
        )


class RowDelegate(QStyledItemDelegate):
    """Draws the cells with room at their sides, and P as a bar with its interval as a whisker."""

    def __init__(self, table: ModelTable) -> None:
        super().__init__()
        self._table = table

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        if self._table.is_chosen(index.row()):
            painter.fillRect(option.rect, QColor(self._table.colours.chosen))
        inside = QStyleOptionViewItem(option)
        inside.rect = option.rect.adjusted(8, 0, -8, 0)
        super().paint(painter, inside, index)
        figures = index.data(_BAR)
        if figures is None:
            return
        p, low, high = figures
        colours, chosen = self._table.colours, self._table.is_chosen(index.row())
        figure_width = option.fontMetrics.horizontalAdvance("100%") + 8
        track = QRectF(option.rect).adjusted(12, 0, -(figure_width + 12), 0)
        thick, middle = 8.0, track.center().y()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.line))
        painter.drawRoundedRect(QRectF(track.left(), middle - thick / 2, track.width(), thick), 4, 4)
        painter.setBrush(QColor(colours.accent if chosen else colours.bar))
        painter.drawRoundedRect(QRectF(track.left(), middle - thick / 2, track.width() * p, thick), 4, 4)
        painter.setBrush(QColor(colours.text if chosen else colours.whisker))
        left, right = track.left() + track.width() * low, track.left() + track.width() * high
        painter.drawRect(QRectF(left, middle - 0.75, right - left, 1.5))
        for end in (left, right):
            painter.drawRect(QRectF(end - 0.75, middle - 5, 1.5, 10))
        painter.setPen(QColor(colours.accent if chosen else colours.text))
        figure = QRectF(track.right() + 4, option.rect.top(), figure_width, option.rect.height())
        painter.drawText(figure, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{p:.0%}")
        painter.restore()
