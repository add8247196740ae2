"""The table of all of NumPy's names: none is missing, and it says what the rules do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from numpy_routes import home_of, names_of
from wengert.errors import UnsupportedError
from wengert.functions.coverage import (
    DIFFERENTIABLE,
    DISCRETE,
    OUTSIDE,
    REFUSED,
    STEPS,
    TABLE,
    WITHOUT,
    page,
    reason,
)
from wengert.functions.peers import LACKING, MEASURED
from wengert.primitive import UFUNCS
from wengert.trace import FUNCTIONS, UFUNC_METHODS

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def public(name: str) -> set[str]:
    home = np.emath if name == "np.emath" else home_of(name)
    names = dir(home) if isinstance(home, type) else getattr(home, "__all__", dir(home))
    values = {
        each: getattr(home, each) for each in names if each in ("__version__",) or each[0] != "_"
    }
    return {
        each
        for each, value in values.items()
        if not (isinstance(value, type) and issubclass(value, np.generic))
        and not (isinstance(home, type(np)) and each in ("annotations", "set_module"))
    }


ALL = (DIFFERENTIABLE, STEPS, DISCRETE, WITHOUT, OUTSIDE, REFUSED)


@pytest.mark.parametrize("home", [name for name in TABLE if name != "np.emath"])
def test_every_public_name_is_known(home: str) -> None:
    known = names_of(home, *ALL)
    assert len(set(known)) == len(known)
    assert public(home) <= set(known), "say in the table what becomes of it"


def test_the_functions_of_emath_are_known() -> None:
    assert set(np.emath.__all__) == set(names_of("np.emath", *ALL))


def dispatched(home: str, *kinds: str) -> list[tuple[str, Any]]:
    """The functions of these kinds that NumPy asks a traced operand about."""
    module = np.emath if home == "np.emath" else home_of(home)
    values = [(name, getattr(module, name, None)) for name in names_of(home, *kinds)]
    return [
        (name, value)
        for name, value in values
        if isinstance(value, np.ufunc) or hasattr(value, "_implementation")
    ]


@pytest.mark.parametrize("home", [name for name in TABLE if name.startswith("np")])
def test_what_is_said_to_have_a_rule_has_one_and_nothing_else(home: str) -> None:
    ruled = {**UFUNCS, **FUNCTIONS}
    for name, function in dispatched(home, DIFFERENTIABLE, STEPS, DISCRETE):
        if name not in (
            "ix_",
            "ravel_multi_index",
            "unravel_index",
        ):  # of integers, in NumPy's code
            assert function in ruled, name
    for name, function in dispatched(home, REFUSED, OUTSIDE, WITHOUT):
        assert function not in ruled, name


def test_every_method_of_a_ufunc_has_a_rule() -> None:
    ufuncs = [u for u in UFUNCS if u.nin == 2 and u.nout == 1 and not u.signature]
    for ufunc in ufuncs:
        for name in names_of("ufunc", DIFFERENTIABLE):
            assert (ufunc, name) in UFUNC_METHODS, (ufunc, name)


def test_what_is_refused_has_a_reason_and_the_error_says_it() -> None:
    for home in TABLE:
        for name in names_of(home, REFUSED):
            assert reason(name)
    with pytest.raises(UnsupportedError, match="bits of integers"):
        wg.grad(lambda x: np.sum(np.packbits(x)))(np.ones(8))


def test_the_page_of_the_documentation_is_made_from_the_table() -> None:
    made = page()
    assert PAGE.read_text(encoding="utf-8") == made, (
        "python -m wengert.functions.coverage > docs/coverage.md"
    )


def test_what_others_have_no_gradient_of_is_in_the_table() -> None:
    for lacking in LACKING.values():
        for home, names in lacking.items():
            known = names_of(home, DIFFERENTIABLE, STEPS)
            assert names == "all" or set(names.split()) <= set(known)
            assert MEASURED[home] <= len(known)
