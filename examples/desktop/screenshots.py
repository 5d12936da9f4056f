"""Write the guide's pictures, dark and light, without a display. Run: python examples/desktop/screenshots.py

Needs Pillow, and looks best with the font Inter.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_SCALE_FACTOR", "2")

from PIL import Image
from PySide6.QtCore import QTimer
from PySide6.QtGui import QFont, QFontDatabase
from PySide6.QtWidgets import QApplication
from theme import Look, Theme
from window import Window
from worker import Forecast, Forecaster

PENCILS = """\
A shop sells pencils at 3 for 2 euros, and a box of 12 for 7 euros. A school wants 100 pencils.

How many boxes and how many single threes should it buy to pay the least? Explain each step, and say what would change \
if the box were one euro dearer."""
CONTINUITY = """\
Let f be continuous on the closed interval from 0 to 1 with f(0) = f(1).

Show that for every natural number n there is a point x with f(x) = f(x + 1/n), and give an example which shows that \
the claim is false if 1/n is replaced by 2/5."""
SCENES = ((Look.LIGHT, PENCILS, 50), (Look.DARK, CONTINUITY, 72))
_FONTS = ("Inter", "Noto Sans", "DejaVu Sans")


def main(folder: Path) -> None:
    """Take one picture of each look, the dark one of another prompt and another place of the dial."""
    application = QApplication(sys.argv[:1])
    family = next((name for name in _FONTS if name in QFontDatabase.families()), application.font().family())
    application.setFont(QFont(family, 10))
    forecaster = Forecaster()
    theme = Theme(application)
    window = Window(forecaster, theme)
    window.show()

    def look_at(forecast: Forecast) -> None:
        if forecast.explanation is not None:
            QTimer.singleShot(0, application.quit)

    window.shown.connect(look_at)
    forecaster.start()
    folder.mkdir(parents=True, exist_ok=True)
    for look, prompt, dial in SCENES:
        theme.wear(look)
        window.dial.setValue(dial)
        window.editor.clear()
        for character in prompt:
            window.editor.insertPlainText(character)
            application.processEvents()
        application.exec()
        file = folder / f"desktop-{look.value}.png"
        window.grab().toImage().save(str(file))
        with Image.open(file) as picture:
            # A hundred colours are all that it needs, at a fraction of the size.
            few = picture.convert("RGB").quantize(96, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(file, optimize=True)
        print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")
    forecaster.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "docs" / "images")
