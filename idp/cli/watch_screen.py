"""The picture of ``idp watch`` and the terminal it is drawn in, which is left as it was."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import termios
import tty
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import click

from idp.cli import say
from idp.diagnosis.traffic import Traffic
from idp.protocol.key_plan import TimelineEntry

_WIDEST = 110


def picture(traffic: Traffic, keys: Mapping[str, Any], said: str, passed: float, rate: int) -> list[str]:
    """Lines from the top: the counts, the keys' lives, what was said last, the keys to press."""
    from idp.cli.key_timeline import draw_timeline

    failures = click.style(f"{traffic.failures} failures", fg="red" if traffic.failures else "green", bold=True)
    lines = [
        f"{click.style('idp watch', bold=True)}  {rate} requests a second, {passed:.0f} s",
        "",
        f"  {traffic.verified} verified   {failures}",
        *(f"  {kid}  {number}" for kid, number in traffic.by_kid.items()),
        *(click.style(f"  {say.printable(why)}", fg="red") for why in traffic.why),
        "",
    ]
    if keys:
        lives = [TimelineEntry(**life) for life in keys["keys"] if life["state"] in ("waiting", "signing", "retiring")]
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        lines += draw_timeline(lives, keys["now"], width, colour=True).split("\n")
    return [*lines, "", say.printable(said), click.style("r  rotate   q  end", dim=True)]


class Screen:
    """The terminal's other screen, keys read one by one; ``pressed`` is called with each in the event loop."""

    def __init__(self, pressed: Callable[[str], None]) -> None:
        self._pressed = pressed
        self._input = sys.stdin.fileno()

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._input)
        tty.setcbreak(self._input)
        asyncio.get_running_loop().add_reader(self._input, self._read)
        self._write("\x1b[?1049h\x1b[?25l")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.get_running_loop().remove_reader(self._input)
        self._write("\x1b[?25h\x1b[?1049l")
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def show(self, lines: list[str]) -> None:
        """As many as there is room for; the last ones, with what can be pressed, always."""
        height = shutil.get_terminal_size().lines
        if len(lines) > height:
            lines = [*lines[: height - 2], *lines[-2:]]
        self._write("\x1b[H" + "\r\n".join(f"{line}\x1b[K" for line in lines) + "\x1b[J")

    def _read(self) -> None:
        data = os.read(self._input, 64)
        for key in data.decode("latin-1") or "q":  # nobody is there any more
            self._pressed(key)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
