"""The reference of a public module: its names in the order of ``__all__``, each as declared and with its docstring.

Signatures are those of the source, so that defaults and types read as they were written. Docstrings here are Markdown
already (code in double backticks, examples indented), so they stand as they are.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_WIDTH = 88
_SHOWN = {"classmethod", "staticmethod", "contextmanager", "asynccontextmanager"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def api(module_name: str) -> Callable[[], Iterator[str]]:
    """What makes the part of a page for ``module_name``."""

    def made() -> Iterator[str]:
        module = importlib.import_module(module_name)
        yield _text(module)
        for name in module.__all__:
            yield from _entry(name, getattr(module, name), module.__all__)

    return made


def _entry(name: str, found: Any, listed: Sequence[str]) -> Iterator[str]:
    yield f"## {name}"
    if not (inspect.isclass(found) or inspect.isroutine(found)):  # an alias of a type
        yield _code(f"{name} = {re.sub(r'(?:[a-z_]+[.])+', '', str(found))}")
        return
    source = _parsed(inspect.unwrap(found))
    if isinstance(source, ast.ClassDef):
        _take_in(source, [base for base in found.__mro__[1:] if base.__module__.startswith("idp.")], listed)
    if isinstance(source, _Function):
        yield _code(_declared(source))
    elif isinstance(source, ast.ClassDef):
        yield _code(_class(source))
    yield _text(found)
    for method in source.body if isinstance(source, ast.ClassDef) else ():
        if isinstance(method, _Function) and not method.name.startswith("_") and (said := ast.get_docstring(method)):
            yield f"### {name}.{method.name}"
            yield _code(_declared(method))
            yield said


def _parsed(found: Any) -> ast.stmt:
    values = vars(importlib.import_module(found.__module__))
    module: ast.Module = _Values(values).visit(ast.parse(textwrap.dedent(inspect.getsource(found))))
    return module.body[0]


def _take_in(source: ast.ClassDef, bases: Sequence[type], listed: Sequence[str]) -> None:
    """What a class has from a base of ours that is no public name is told as its own."""
    for base in bases:
        inner = _parsed(base)
        if base.__name__ not in listed and isinstance(inner, ast.ClassDef):
            source.body += inner.body
            source.bases = [name for name in source.bases if ast.unparse(name) != base.__name__] + inner.bases


class _Values(ast.NodeTransformer):
    """Puts plain constants in place of their names, which tell a reader nothing."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self._values.get(node.id)
        return ast.parse(repr(value), mode="eval").body if isinstance(value, (int, float, str)) else node


def _class(source: ast.ClassDef) -> str:
    """As one calls it; a frozen value by its fields."""
    bases = f"({', '.join(map(ast.unparse, source.bases))})" if source.bases else ""
    for part in source.body:
        if isinstance(part, _Function) and part.name == "__init__" and not bases:
            return _declared(part).replace("def __init__", f"class {source.name}").removesuffix(" -> None")
    frozen = any("dataclass" in ast.unparse(mark) for mark in source.decorator_list)
    fields = [part for part in source.body if isinstance(part, ast.AnnAssign) and frozen]
    lines = [f"    {ast.unparse(part)}" for part in fields if not ast.unparse(part.target).startswith("_")]
    return "\n".join([f"class {source.name}{bases}" + (":" if lines else ""), *lines])


def _declared(source: _Function) -> str:
    """Decorators that matter and the first line, broken into one line a parameter where it is long."""
    marks = [ast.unparse(mark) for mark in source.decorator_list]
    returns = f" -> {ast.unparse(source.returns)}" if source.returns else ""
    if "property" in marks:
        return source.name + returns.replace(" -> ", ": ")
    word = "async def" if isinstance(source, ast.AsyncFunctionDef) else "def"
    given = list(_parameters(source.args))
    line = f"{word} {source.name}({', '.join(given)}){returns}"
    if len(line) > _WIDTH:
        line = f"{word} {source.name}(\n" + "".join(f"    {part},\n" for part in given) + f"){returns}"
    return "".join(f"@{mark}\n" for mark in marks if mark in _SHOWN) + line


def _parameters(found: ast.arguments) -> Iterator[str]:
    plain = [*found.posonlyargs, *found.args]
    lacking = len(plain) - len(found.defaults)
    for place, argument in enumerate(plain):
        if argument.arg not in ("self", "cls"):
            yield _parameter(argument, found.defaults[place - lacking] if place >= lacking else None)
    if found.vararg or found.kwonlyargs:
        yield f"*{ast.unparse(found.vararg) if found.vararg else ''}"
    for argument, default in zip(found.kwonlyargs, found.kw_defaults, strict=True):
        yield _parameter(argument, default)
    if found.kwarg:
        yield f"**{ast.unparse(found.kwarg)}"


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(argument) + (f" = {ast.unparse(default)}".replace("'", '"') if default else "")


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _text(found: Any) -> str:
    return inspect.getdoc(found) or ""
