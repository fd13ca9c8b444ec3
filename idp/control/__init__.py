"""Owns what operators do: each operation one function, run in the running server or, with none, in this process.

It does not own how a command line looks. A call returns when its change is in effect (decision 5).
"""

from idp.control.calling import Call, call, calls
from idp.control.errors import ControlError

__all__ = ["Call", "ControlError", "call", "calls"]
