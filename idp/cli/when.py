"""Moments as operators write them."""

from __future__ import annotations

import re
from datetime import datetime

import click

from idp.cli.desk import Desk
from idp.config.reading import as_seconds


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """An option's text as a unix time: ``2026-11-03``, ``2026-11-03T14:00Z`` (without a zone this machine's), ``24h``
    (ago), or a unix time. None stays None. Raises BadParameter.
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[0-9]{9,10}(\.[0-9]+)?", text, re.ASCII):
        return float(text)
    ago = as_seconds(text) if text[-1:] in ("s", "m", "h", "d") else None
    desk = ctx.find_object(Desk)
    if isinstance(ago, int) and desk is not None:
        return desk.clock() - ago
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        how = "write 2026-11-03, 2026-11-03T14:00Z, 24h or a unix time"
        raise click.BadParameter(f"{text!r} is no moment: {how}", ctx, param) from None
