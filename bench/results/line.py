"""A line of a store -> a result, quickly: what many lines share, such as their machine, is read and kept once."""

import re
import types
from collections.abc import Callable
from dataclasses import fields
from functools import reduce
from math import isfinite
from operator import or_
from typing import Annotated, Any, Generic, Union, get_args, get_origin, get_type_hints

import msgspec

from bench.machine import variables
from bench.results.result import Kind

LOAD, NUMBER = b', "load_before": ', re.compile(rb"[0-9.eE+-]+")  # the one fact of a machine that differs by line
LOWEST, HIGHEST = -(2**63), 2**63 - 1


class Reader(Generic[Kind]):
    """Reads the lines of one kind.

    It refuses more than `Result.from_json` does: whoever meets a refusal asks that one, which says why or reads the
    line all the same.
    """

    def __init__(self, kind: type[Kind], parse: Callable[[bytes], Any]):
        """Prepares for a kind.

        Args:
            kind: What the lines hold.
            parse: Reads JSON, and refuses what is no number.
        """
        hints = get_type_hints(kind, include_extras=True)
        self._kind, self._parse = kind, parse
        self._shared: dict[tuple[str, bytes], Any] = {}
        self._last: tuple[bytes, bytes, dict] = b"", b"", {}  # the text of a machine before and after its load, and it
        self._plain = [entry.name for entry in fields(kind) if entry.init and _is_plain(hints[entry.name])]
        self._whole = [entry.name for entry in fields(kind) if entry.init and entry.name not in self._plain]
        self._texts = [name for name in self._plain if hints[name] is str]
        self._decoder = msgspec.json.Decoder(
            msgspec.defstruct(
                f"{kind.__name__}Line",
                [
                    *((name, _bound(hints[name]), msgspec.UNSET) for name in self._plain),
                    *((name, msgspec.Raw, msgspec.UNSET) for name in self._whole),
                ],
                rename={name: key for name, key in kind.KEYS.items() if name in hints},
            )
        )

    def read(self, line: bytes) -> Kind:
        """Reads a line.

        Raises:
            ValueError: If it is damaged, newer or unusual.
        """
        decoded = self._decoder.decode(line)
        values = {name: value for name in self._plain if (value := getattr(decoded, name)) is not msgspec.UNSET}
        if not 0 < values.get("format", 0) <= self._kind.FORMAT:
            raise ValueError("another format")
        for name in self._texts:
            if name in values:
                values[name] = variables.without_home(values[name])
        for name in self._whole:
            raw = getattr(decoded, name)
            if raw is not msgspec.UNSET:
                values[name] = self._machine(bytes(raw)) if name == "machine" else self._once(name, bytes(raw))
        try:
            result = self._kind(**values)
        except TypeError as error:  # a field is missing
            raise ValueError(str(error)) from error
        result.check()
        return result

    def _once(self, name: str, raw: bytes) -> Any:
        """The value of a field, the same object for the same text."""
        if (name, raw) not in self._shared:
            self._shared[name, raw] = self._kind.read_field(name, variables.publishable(self._parse(raw)))
        return self._shared[name, raw]

    def _machine(self, raw: bytes) -> dict:
        """A machine, whose parts are the same objects in all lines that differ in the load alone."""
        start = raw.rfind(LOAD)
        found = NUMBER.match(raw, start + len(LOAD)) if start >= 0 else None
        if found is None or not isfinite(load := float(found[0])):
            return self._once("machine", raw)
        text = raw[:start], raw[found.end() :]
        if text == self._last[:2]:  # most lines follow one of the same machine: to compare is faster than to look up
            return {**self._last[2], "load_before": load}
        rest = b"".join(text)
        key = f"machine but for {start}", rest
        if key not in self._shared:
            said, left = self._parse(raw), self._parse(rest)
            if {**left, "load_before": said.get("load_before")} != said:  # it stood somewhere further down
                return self._once("machine", raw)
            self._shared[key] = self._once("machine", rest)
        self._last = *text, self._shared[key]
        return {**self._shared[key], "load_before": load}


def _is_plain(hint: Any) -> bool:
    """Whether a type is of numbers, or a text alone: values that hardly two lines share."""
    if hint in (str, int, float, bool, type(None)):
        return True
    inner = get_args(hint)
    if get_origin(hint) in (types.UnionType, Union):
        return all(map(_is_plain, inner))
    if get_origin(hint) is tuple:
        return all(part is ... or (part is not str and _is_plain(part)) for part in inner)
    named = getattr(hint, "_fields", None)  # of a named tuple
    return bool(named) and all(kind in (int, float) for kind in get_type_hints(hint).values())


def _bound(hint: Any) -> Any:
    """A type without the whole numbers that other programs cannot read."""
    if hint is int:
        return Annotated[int, msgspec.Meta(ge=LOWEST, le=HIGHEST)]
    if get_origin(hint) is types.UnionType and int in get_args(hint):
        return reduce(or_, map(_bound, get_args(hint)))
    return hint
