"""From the plain formulas of the rows to the signs of mathematics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["Signs", "accented"]

MACRON, DOT = "\N{COMBINING MACRON}", "\N{COMBINING DOT ABOVE}"
_SHORT = re.compile(r"[^\W\d_](?=\d*(?![\w]))")


def accented(name: str, suffix: str) -> str:
    """``x̄`` for a name of one letter (and digits), ``loss_bar`` for a longer one."""
    letter = _SHORT.match(name)
    if letter is None:
        return name + suffix
    return letter[0] + (MACRON if suffix == "_bar" else DOT) + name[letter.end() :]


class Signs:
    """Rewrites formulas: ``t1_bar * y`` becomes ``t̄1·y``.

    ``accent`` says how to write the adjoint (suffix ``_bar``) or the tangent (``_dot``) of a name;
    ``plain`` is what becomes of the rest.
    """

    def __init__(
        self,
        names: Iterable[str],
        accent: Callable[[str, str], str] = accented,
        plain: Callable[[str], str] = str,
    ) -> None:
        self.accent = accent
        self.plain = plain
        # The longest first, since one name may start another; without names nothing can match.
        name = "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or "(?!)"
        self._symbol = re.compile(rf"(?<![\w.])({name})(_bar|_dot)(?!\w)")
        self._slope = re.compile(rf"(?<![\w.])d(\S+)/d({name})(?!\w)")

    def __call__(self, formula: str) -> str:
        """The formula with its signs."""
        formula = self._slope.sub("∂\\1/∂\\2", formula).replace(" * ", "·")
        parts = self._symbol.split(formula)
        texts = [self.plain(part) for part in parts[::3]]
        marks = [self.accent(n, s) for n, s in zip(parts[1::3], parts[2::3], strict=True)]
        return "".join(t + m for t, m in zip(texts, [*marks, ""], strict=True))
