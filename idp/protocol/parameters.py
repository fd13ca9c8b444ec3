"""A request's parameters, each once (RFC 6749 3.1, 3.2): a repeat is refused, an empty one is absent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl

from idp.protocol.errors import Refused, visible

MAX_FIELDS = 64
# RFC 8707 2 lets `resource` repeat; nothing else may.
REPEATABLE = frozenset({"resource"})


class Parameters:
    """An immutable view of name -> value. Values hold no NUL and are valid UTF-8."""

    __slots__ = ("_lists", "_values")

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Raises Refused (invalid_request) on a repeated parameter."""
        values: dict[str, str] = {}
        lists: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        for name, value in pairs:
            if name in REPEATABLE:
                if value:
                    lists[name] = (*lists.get(name, ()), value)
                continue
            if name in seen:
                raise _malformed(f"The parameter {_safe(name)} appears more than once.", f"{visible(name)} repeated")
            seen.add(name)
            if value:
                values[name] = value
        self._values = values
        self._lists = lists

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a parameter that may repeat."""
        return self._lists.get(name, ())

    def words(self, name: str) -> tuple[str, ...]:
        """A space-delimited list, each word once, in the order sent."""
        return tuple(dict.fromkeys(filter(None, self._values.get(name, "").split(" "))))

    def require(self, name: str) -> str:
        """The value; raises Refused (invalid_request) where it is missing."""
        value = self._values.get(name)
        if value is None:
            raise Refused(
                "invalid_request",
                f"The parameter {name} is missing.",
                rule="RFC 6749 4.1.3",
                received=f"parameters {', '.join(sorted(map(visible, self._values))) or 'none'}",
                expected=f"{name}=...",
                mend=f"Send {name}. Parameters with an empty value count as absent.",
            )
        return value

    def pairs(self) -> list[tuple[str, str]]:
        return [*self._values.items(), *((name, value) for name, values in self._lists.items() for value in values)]

    def only(self, names: frozenset[str]) -> Mapping[str, str]:
        return {name: value for name, value in self._values.items() if name in names}

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)


def parse_parameters(encoded: str | bytes) -> Parameters:
    """Read application/x-www-form-urlencoded text. Raises Refused (invalid_request) on bad encoding, NUL, or excess."""
    try:
        text = encoded.decode("ascii") if isinstance(encoded, bytes) else encoded
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, encoding="utf-8", errors="strict")
    except UnicodeDecodeError:
        raise _malformed("The parameters are not valid percent-encoded UTF-8.", "bytes that are not UTF-8") from None
    except ValueError:
        raise _malformed("Too many parameters.", f"more than {MAX_FIELDS}") from None
    if ("%00" in text or "\0" in text) and any("\0" in name or "\0" in value for name, value in pairs):
        raise _malformed("A parameter holds a NUL character.", "%00")
    return Parameters(pairs)


def _safe(name: str) -> str:
    return "".join(c for c in name[:40] if c.isascii() and (c.isalnum() or c in "_-.")) or "unnamed"


def _malformed(description: str, received: str) -> Refused:
    return Refused(
        "invalid_request",
        description,
        rule="RFC 6749 3.1",
        received=received,
        expected=f"application/x-www-form-urlencoded UTF-8, each parameter once, at most {MAX_FIELDS}",
        mend="Percent-encode the request with a standard library and send each parameter once.",
    )
