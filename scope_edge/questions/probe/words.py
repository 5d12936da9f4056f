"""Names and words that several families draw from."""

from __future__ import annotations

__all__ = ["MONTHS", "NAMES", "THINGS", "TOWNS", "WEEKDAYS", "WORDS"]

NAMES = (
    "Ada", "Amir", "Bela", "Carla", "Chidi", "Dana", "Edgar", "Elif", "Farid", "Greta", "Hana", "Igor", "Ines",
    "Jonas", "Kira", "Lena", "Luca", "Mira", "Nadia", "Nuno", "Olga", "Pavel", "Quinn", "Rosa", "Samir", "Tessa", "Uma",
    "Viktor", "Wanda", "Yusuf", "Zoe",
)  # fmt: skip
TOWNS = ("Bergen", "Cadiz", "Delft", "Graz", "Izmir", "Leeds", "Lyon", "Porto", "Riga", "Turin", "Uppsala", "Varna")
THINGS = (
    "baskets", "bricks", "buttons", "candles", "coins", "kites", "lamps", "marbles", "mugs", "pears", "ropes", "shells",
    "spoons", "stamps", "tickets", "tiles",
)  # fmt: skip
WORDS = (
    "amber", "anchor", "basil", "bramble", "candle", "canyon", "cobalt", "copper", "drizzle", "ember", "falcon",
    "fennel", "garnet", "glacier", "harbor", "hazel", "indigo", "island", "jasmine", "kettle", "lantern", "lichen",
    "magnet", "meadow", "nectar", "orchid", "pebble", "pepper", "quartz", "raven", "saddle", "saffron", "thistle",
    "timber", "tunnel", "velvet", "violet", "walnut", "willow", "zephyr",
)  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
