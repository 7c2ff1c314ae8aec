"""Envoy's StringMatcher and Istio's way of writing one: exact, `prefix*`, `*suffix`, `*` for any non-empty string.

Source: istio `pilot/pkg/security/authz/matcher/string.go`; envoy `source/common/common/matchers.h`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_META = frozenset(r"\.+*?()|[]{}^$")


def quote_meta(text: str) -> str:
    """The text with the characters escaped that Go's `regexp.QuoteMeta` escapes, and no others."""
    return "".join(f"\\{char}" if char in _META else char for char in text)


@dataclass(frozen=True)
class StringMatch:
    """One of Envoy's ways to match a string; `kind` is the field of its StringMatcher."""

    kind: str
    text: str
    ignore_case: bool = False
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.kind == "safeRegex":
            object.__setattr__(self, "_pattern", re.compile(self.text, re.ASCII))

    def render(self) -> dict[str, Any]:
        """The StringMatcher as Envoy's JSON."""
        value: Any = {"regex": self.text} if self.kind == "safeRegex" else self.text
        return {self.kind: value, **({"ignoreCase": True} if self.ignore_case else {})}

    def matches(self, value: str) -> bool:
        """Whether the whole value matches."""
        if self._pattern is not None:
            return self._pattern.fullmatch(value) is not None
        text = self.text
        if self.ignore_case:
            value, text = value.lower(), text.lower()
        if self.kind == "exact":
            return value == text
        return value.startswith(text) if self.kind == "prefix" else value.endswith(text)


def regex(pattern: str) -> StringMatch:
    """A match of the whole string by an RE2 pattern."""
    return StringMatch("safeRegex", pattern)


ANY_TEXT = regex(".+")
"""`*`: anything that is not empty."""


def string_match(value: str, *, ignore_case: bool = False, spiffe: bool = False) -> StringMatch:
    """Istio's notation as a match; with `spiffe`, of a SPIFFE URI whose scheme the value leaves out."""
    scheme = "spiffe://" if spiffe else ""
    if value == "*":
        return ANY_TEXT
    if value.startswith("*"):
        if spiffe:
            return regex(f"{scheme}.*{quote_meta(value[1:])}")
        return StringMatch("suffix", value[1:], ignore_case)
    if value.endswith("*"):
        return StringMatch("prefix", scheme + value[:-1], ignore_case)
    return StringMatch("exact", scheme + value, ignore_case)
