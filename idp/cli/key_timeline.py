"""Draws the lives of signing keys for ``idp keys list``: one bar a key, one axis for all, a marker for now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from idp.protocol.key_plan import DAY, TimelineEntry

_INDENT = "  "
_LEAST_WIDTH = 40
_HOURS = 2 * 3600.0  # up to here a second is worth showing
_WAITING, _SIGNING, _RETIRING, _REVOKED, _NOW = "░", "█", "▒", "✕", "┃"
_COLOURS = {_WAITING: "33", _SIGNING: "32", _RETIRING: "34", _REVOKED: "31", _NOW: "1"}
_LEGEND = f"{_WAITING} published, waits   {_SIGNING} signs   {_RETIRING} published, signs no more   {_REVOKED} revoked"


def draw_timeline(lives: Sequence[TimelineEntry], now: float, width: int = 78, *, colour: bool = False) -> str:
    """The time line of ``lives`` as text of ``width`` columns, times in UTC; ``colour`` adds ANSI sequences.

    What waits, signs and retires differs in shape too, so nothing is lost without colour.
    """
    if not lives:
        return "There are no keys yet: the first start makes them."
    axis = _Axis.over(lives, now, max(width, _LEAST_WIDTH) - len(_INDENT))
    lines = []
    for alg in sorted({life.alg for life in lives}):
        lines += [alg, _INDENT + axis.pointer(now)]
        for life in lives:
            if life.alg == alg:
                lines += [_INDENT + line for line in _key(life, now, axis, colour)]
        lines.append("")
    return "\n".join([*lines, _INDENT + axis.ends(), _INDENT + _LEGEND])


class _Axis:
    """Maps times to columns. Keys that are over do not stretch it; their bars are cut at its edge."""

    def __init__(self, start: float, end: float, width: int) -> None:
        self.start = start
        self.width = width
        self.end = max(end, start + 1)

    @classmethod
    def over(cls, lives: Sequence[TimelineEntry], now: float, width: int) -> _Axis:
        live = [life for life in lives if life.state in ("waiting", "signing", "retiring")] or lives
        return cls(
            min(now, *(life.published_from for life in live)),
            max(now, *(life.published_until for life in live)),
            width,
        )

    def column(self, moment: float) -> int:
        place = (moment - self.start) / (self.end - self.start) * self.width
        return min(self.width, max(0, int(place)))

    def pointer(self, now: float) -> str:
        place, label = min(self.column(now), self.width - 1), f"now {self.date(now)}"
        if place + 2 + len(label) <= self.width:
            return " " * place + "▼ " + label
        return " " * (place - len(label) - 1) + label + " ▼"

    def ends(self) -> str:
        left, right = self.date(self.start), self.date(self.end)
        return left + "─" * (self.width - len(left) - len(right)) + right

    def date(self, moment: float, span: float = math.inf) -> str:
        """As exact as the axis needs it, or, where that is shorter, a ``span`` of seconds."""
        try:
            at = datetime.fromtimestamp(moment, UTC)
        except (OverflowError, ValueError, OSError):
            return "never"
        whole = self.end - self.start
        if whole <= _HOURS:
            return f"{at:%H:%M:%S}"
        if span <= _HOURS:
            return f"{at:%Y-%m-%d %H:%M:%S}"
        return f"{at:%Y-%m-%d %H:%M}" if min(span, whole) <= 10 * DAY else f"{at:%Y-%m-%d}"


def _key(life: TimelineEntry, now: float, axis: _Axis, colour: bool) -> list[str]:
    lines = [f"{life.kid}  {_state(life, now)}"]
    bar = _bar(life, axis)
    if bar.strip():
        here = min(axis.column(now), axis.width - 1)
        if bar[here] != _REVOKED:  # the end of a key says more than the hour
            bar = bar[:here] + _NOW + bar[here + 1 :]
        lines.append(_painted(bar.rstrip(), colour))
    lines.append(_dates(life, axis))
    return lines


def _bar(life: TimelineEntry, axis: _Axis) -> str:
    end = life.published_until
    signs_from, signs_until = min(life.signs_from, end), min(max(life.signs_from, life.signs_until), end)
    marks = [life.published_from, signs_from, signs_until, end]
    if end <= axis.start:
        return ""
    columns = [axis.column(moment) for moment in marks]
    # A part that is too short for its column still gets one: a lead of a day is the point of the picture.
    for part in (0, 1, 2):
        if marks[part + 1] > max(marks[part], axis.start):
            columns[part + 1] = max(columns[part + 1], columns[part] + 1)
        else:
            columns[part + 1] = max(columns[part + 1], columns[part])
    columns = _pushed_left(columns, marks, axis)
    bar = " " * columns[0]
    for part, sign in enumerate((_WAITING, _SIGNING, _RETIRING)):
        bar += sign * (columns[part + 1] - columns[part])
    if life.revoked_at is not None:
        bar = bar[: axis.width - 1] + _REVOKED
    return bar.ljust(axis.width)


def _pushed_left(columns: list[int], marks: list[float], axis: _Axis) -> list[int]:
    pushed = [*columns[:3], min(columns[3], axis.width)]
    for part in (2, 1, 0):
        least = 1 if marks[part + 1] > max(marks[part], axis.start) else 0
        pushed[part] = max(0, min(pushed[part], pushed[part + 1] - least))
    return pushed


def _painted(bar: str, colour: bool) -> str:
    if not colour:
        return bar
    painted, last = "", ""
    for sign in bar:
        wanted = _COLOURS.get(sign, "")
        if wanted != last:
            painted += ("\x1b[0m" if last else "") + (f"\x1b[{wanted}m" if wanted else "")
            last = wanted
        painted += sign
    return painted + ("\x1b[0m" if last else "")


def _state(life: TimelineEntry, now: float) -> str:
    match life.state:
        case "waiting":
            return f"waiting, signs in {_span(life.signs_from - now)}"
        case "signing":
            return f"signing, {_span(life.signs_until - now)} left"
        case "retiring":
            return f"retiring, gone in {_span(life.published_until - now)}"
        case "retired":
            return f"retired, forgotten in {_span(life.forgotten_at - now)}"
    return f"revoked {_span(now - (life.revoked_at or now))} ago"


def _dates(life: TimelineEntry, axis: _Axis) -> str:
    parts = [("published", life.published_from)]
    if life.signs_until > life.signs_from:
        parts += [(", signs", life.signs_from), (" to", life.signs_until)]
    if life.revoked_at is not None:
        parts.append((", revoked", life.revoked_at))
    else:
        parts.append((", gone", life.published_until))
    text, told, span = "", "", _shortness(life)
    for word, moment in parts:
        day, _, time = axis.date(moment, span).partition(" ")
        # A day that was just told is not told again beside the time.
        text += f"{word} {time if time and day == told else f'{day} {time}'.rstrip()}"
        told = day
    return text


def _shortness(life: TimelineEntry) -> float:
    """How long the key signs, if that is less than a day: two equal dates would say nothing. Else infinite."""
    signs = life.signs_until - life.signs_from
    if signs <= 0:
        signs = life.published_until - life.published_from
    return signs if signs < DAY else math.inf


def _span(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for unit, size in (("d", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
