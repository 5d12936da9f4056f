"""The models as a table: Qt scrolls it, reads it aloud and takes the keys, and a delegate draws the rows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem
from theme import Colours
from words import CALLS, cost, is_borrowed

from scope_edge import Decision

__all__ = ["ACCURACY", "COST", "MODEL", "ModelTable", "Row", "RowDelegate"]

Index = QModelIndex | QPersistentModelIndex

MODEL, ACCURACY, COST = range(3)
_HEADINGS = ("Model", "Right answer, with its 80% interval", f"{CALLS:,} calls")
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class Row(NamedTuple):
    """One model's figures, as they are drawn."""

    model: str
    p: float
    low: float
    high: float
    cost: str
    chosen: bool


class ModelTable(QAbstractTableModel):
    """What is predicted of every model. Rows keep their places while figures change; `rank` orders them anew."""

    def __init__(self) -> None:
        super().__init__()
        self._decision: Decision | None = None
        self._columns: list[int] = []
        """Which column of the estimates stands in each row."""
        self._rows: dict[int, Row] = {}
        """Those that were drawn, until the figures change."""

    def show(self, decision: Decision) -> None:
        """Take over new figures."""
        same_pool = self._decision is not None and self._decision.estimates.models == decision.estimates.models
        self._decision = decision
        self._rows.clear()
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
        self._rows.clear()
        self.endResetModel()

    def row(self, row: int) -> Row:
        """The figures in a row; there has to be one."""
        if row in self._rows:
            return self._rows[row]
        assert self._decision is not None
        estimates, column = self._decision.estimates, self._columns[row]
        model, figures = estimates.models[column], (estimates.p_correct, estimates.p_low, estimates.p_high)
        amount = cost(estimates.cost_usd[column].item(), borrowed=is_borrowed(estimates.candidates.cards[column]))
        is_chosen = model == self._decision.model
        self._rows[row] = Row(model, *(figure[column].item() for figure in figures), amount, is_chosen)
        return self._rows[row]

    # What Qt asks a model.

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802
        return 0 if parent.isValid() else len(self._columns)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008, N802
        return 0 if parent.isValid() else len(_HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _HEADINGS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if section == COST else _LEFT
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if self._decision is None or not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            row = self.row(index.row())
            return (row.model, f"{row.p:.0%}", row.cost)[index.column()]
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return self._in_words(index.row())
        return None

    def _in_words(self, row: int) -> str:
        assert self._decision is not None
        estimates, column = self._decision.estimates, self._columns[row]
        card, figures = estimates.candidates.cards[column], self.row(row)
        return (
            f"{figures.model}: {figures.p:.0%} likely to be right, between {figures.low:.0%} and {figures.high:.0%}; "
            f"about {estimates.output_tokens[column]:.0f} tokens of answer"
            f"{', a length borrowed from comparable models' if is_borrowed(card) else ''}; {figures.cost} for "
            f"{CALLS:,} calls at ${card.price.input_usd_per_mtok:g} and ${card.price.output_usd_per_mtok:g} per "
            f"million tokens of prompt and answer"
        )


class RowDelegate(QStyledItemDelegate):
    """Draws a row: P as a bar, its interval as a whisker.

    All of it in one go, and without the style's way of asking for each property of each cell: this runs on every
    keystroke, for every row in sight.
    """

    def __init__(self, table: ModelTable, colours: Colours) -> None:
        super().__init__()
        self._table = table
        self.colours = colours

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row, colours, room = self._table.row(index.row()), self.colours, QRectF(option.rect)
        painter.save()
        if row.chosen or option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(room, QColor(colours.chosen if row.chosen else colours.line))
        room.adjust(12, 0, -12, 0)
        if row.chosen:
            font = QFont(option.font)
            font.setWeight(QFont.Weight.DemiBold)
            painter.setFont(font)
        painter.setPen(QColor(colours.accent if row.chosen else colours.text))
        if index.column() == MODEL:
            name = painter.fontMetrics().elidedText(row.model, Qt.TextElideMode.ElideRight, int(room.width()))
            painter.drawText(room, _LEFT, name)
        elif index.column() == COST:
            painter.drawText(room, _RIGHT, row.cost)
        else:
            painter.drawText(room, _RIGHT, f"{row.p:.0%}")
            room.adjust(0, 0, -(painter.fontMetrics().horizontalAdvance("100%") + 12), 0)
            self._paint_bar(painter, room, row)
        painter.restore()

    def _paint_bar(self, painter: QPainter, room: QRectF, row: Row) -> None:
        colours, left, wide, middle = self.colours, room.left(), room.width(), room.center().y()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for share, colour in ((1.0, colours.line), (row.p, colours.accent if row.chosen else colours.bar)):
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(left, middle - 4, wide * share, 8), 4, 4)
        painter.setBrush(QColor(colours.text if row.chosen else colours.whisker))
        low, high = left + wide * row.low, left + wide * row.high
        painter.drawRect(QRectF(low, middle - 0.75, high - low, 1.5))
        for end in (low, high):
            painter.drawRect(QRectF(end - 0.75, middle - 5, 1.5, 10))
