"""Every row of the project's catalogue of attacks, by its id: two letters for the kind, two digits.

A row is tested by a function named after it (``test_ru_01_...``), or stands in ``not_applicable`` with its reason.
"""

from __future__ import annotations

NUMBERS: dict[str, str] = {
    "RU": "01 02 04 06 08 09 10 12 14 15 17",
    "PK": "01 02 04 05 07",
    "CO": "01 02 03 05 07 08",
    "RT": "01 02 07 08 09 11 12 14 15",
    "CA": "01 02 03 04 05 06 07 08 10 12 13 14 15",
    "JW": "01 02 03 04 05 07 09 13 14",
    "RO": "01 02 04 05 06 07 09 10 11 12",
    "SF": "01 02 03 04 05 07 10 11",
    "MX": "01 02 04 05",
    "CS": "01 02 05 07 08",
    "XS": "01 02 03 05 07 08 12",
    "SE": "01 02 03 05 06 07 09",
    "EN": "01 02 03 04 06 07 08",
    "BF": "01 02 05 07 08 11",
    "DS": "01 02 04 05 06 08 09 10 11 12 13 16 17 18 19",
    "HI": "01 02 05 06",
    "CK": "01 03 04 05 06 08 09",
    "CN": "01 02 03 04 06 07 08 09",
    "TS": "01 02 03 06 07 08 09 10",
    "DV": "01 02 04 05 06 07 09",
    "LO": "01 02 04 06 07 08",
    "RG": "01 02 03 05 07 08 09",
    "MF": "01 03 04 05 06 07 11 12 13",
    "FE": "01 02 03 05 06 07",
    "TK": "01 02 03 07 08 09",
    "FT": "01 02 03 04 05 07 09 10 12 13",
    "PR": "01 02 03 04 06 07 08 10 13 14",
    "SM": "01 03",
    "AD": "01 02 03 04 06 07",
}
ROWS = tuple(f"{kind}-{number}" for kind, numbers in NUMBERS.items() for number in numbers.split())
