"""Functions that ask what a value is itself: ``type(x)``, ``is``, ``id``; and keys to the bit."""

from __future__ import annotations

import builtins
import collections
import dataclasses
import decimal
import enum
import fractions
import operator
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jitted_calls import agree

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")


class Kind(enum.Enum):
    ONE = 1
    TWO = 2


class Missing:
    pass


MISSING = Missing
TABLE = np.ones(3)


class Scaled:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def again(self) -> Scaled:
        return type(self)(self.factor)

    def apply(self, x: Any) -> Any:
        return self.again().factor * x


SCALED = Scaled(2.0)


def asks_the_type(x: Any) -> bool:
    return np.issubdtype(type(x), np.floating)


def asks_by_a_helper(x: Any) -> Any:
    return x * (2 if asks_the_type(x) else 3)


def asks_the_type_of_a_result(x: Any) -> Any:
    return np.issubdtype(type(x * 1.0), np.floating)


def names_the_type(x: Any) -> Any:
    return x * len(type(x).__name__)


def calls_the_type(x: Any) -> Any:
    return type(x)(3) * x


def looks_the_type_up(x: Any) -> Any:
    return {float: 1, int: 2, np.float64: 3, bool: 4}[type(x)] * x


def collects_types(x: Any) -> Any:
    return len(set(map(type, [x, 1.0]))) * x


def asks_two(x: Any) -> Any:
    def same(y: Any) -> bool:
        return y is x

    return same(x * 1.0)


def asks_for_a_number(x: Any) -> Any:
    return x is np.nan  # noqa: PLW0177


def asks_for_an_array(x: Any) -> Any:
    return x is TABLE


def asks_for_an_id(x: Any) -> Any:
    return id(x) == id(TABLE)


def asks_true(x: Any) -> Any:
    return x * 2 if x is True else x * 3


def asks_a_comparison(x: Any) -> Any:
    return x if (x > 1) is True else x * 3


def matches_a_comparison(x: Any) -> Any:
    match x > 2.0:
        case True:
            return x * x
    return x * 3


def matches(x: Any) -> Any:
    match x:
        case True:
            return x * 5
        case False:
            return x * 6
    return x * 7


def asks_none(x: Any) -> Any:
    found = None if x is None else x
    return 0.0 if found is None or found is MISSING or found is np.newaxis else found * 2


def asks_its_own_type(x: Any) -> Any:
    return SCALED.apply(x)


def says_the_type(x: Any) -> Any:
    if x < 0:
        raise TypeError(f"{type(x)} below zero")
    return x * 2


def asks_the_class(x: Any) -> Any:
    return x * (2 if x.__class__ is float else 3 if isinstance(x, np.ndarray) else 4)


UNTRACED = [
    *(asks_by_a_helper, asks_the_type_of_a_result, names_the_type, calls_the_type),
    *(looks_the_type_up, collects_types, asks_two, asks_for_a_number, asks_for_an_array),
    asks_for_an_id,
]
TRACED = [
    *(asks_true, asks_a_comparison, matches, asks_none, asks_its_own_type, says_the_type),
    asks_the_class,
]
NUMBERS = [(0.5,), (2.0,), (3,), (True,), (False,), (np.float64(2),), (-1.0,), (np.nan,)]


@pytest.mark.parametrize("f", [*UNTRACED, *TRACED], ids=lambda f: f.__name__)
def test_what_a_value_is_itself_is_answered_as_without_jit(f: Callable[..., Any]) -> None:
    jitted = agree(f, *NUMBERS)
    assert bool(jitted.paths()) == (f in TRACED)


@pytest.mark.parametrize("f", [asks_a_comparison, matches_a_comparison])
def test_a_comparison_is_true_in_a_derivative_that_is_compiled(f: Callable[..., Any]) -> None:
    for verb in (
        wg.value_and_grad(f),
        lambda x: wg.jvp(f, (x,), (1.0,)),
        wg.grad(wg.grad(lambda x: f(x) * x)),
    ):
        jitted = wg.jit(verb, wait=True)
        for x in (2.0, 0.5, 3.0):
            assert jitted(x) == verb(x)
        assert jitted.paths()


def test_whether_two_arguments_are_one_is_answered_at_each_call() -> None:
    jitted = wg.jit(lambda x, y: x is y, wait=True)
    one, other = np.ones(3), np.ones(3)
    assert [jitted(one, one), jitted(one, other), jitted(other, other)] == [True, False, True]


# What is asked of two arguments, in the middle of other code: each version of Python loads, joins
# and branches in another way. None of it has the same answer for traced values.
KIND_OF, SAME = type, operator.is_


def asks_in_a_tuple_behind_none(x: Any, y: Any) -> Any:
    return (None, x is y)[1]


def asks_in_a_list_behind_dots(x: Any, y: Any) -> Any:
    return [..., x is not y][1]


def asks_by_keyword_behind_none(x: Any, y: Any) -> Any:
    return {"a": None, "b": x is y}["b"]


def asks_for_one_of_two(x: Any, y: Any) -> Any:
    return x is (y if len(y) else None)


def asks_whether_one_of_two(x: Any, y: Any) -> Any:
    return (y if len(y) else None) is x


def asks_for_one_or_a_global(x: Any, y: Any) -> Any:
    return x is (y if y.size else MISSING)


def asks_an_element_of_a_loop(x: Any, y: Any) -> Any:
    return [z is None or z is x for z in (None, y)][1]


def asks_by_operator(x: Any, y: Any) -> Any:
    return operator.is_(x, y)


def asks_by_another_name(x: Any, y: Any) -> Any:
    return SAME(x, y)


def asks_for_ids(x: Any, y: Any) -> Any:
    return len({*map(id, (x, y))}) == 1


def asks_for_ids_of_builtins(x: Any, y: Any) -> Any:
    return builtins.id(x) == builtins.id(y)


def asks_the_type_by_another_name(x: Any, y: Any) -> Any:
    return [KIND_OF(z) for z in (x, y)].count(np.ndarray) == 2


def asks_the_type_of_builtins(x: Any, y: Any) -> Any:
    return builtins.type(x) is np.ndarray


OF_TWO = [
    *(asks_in_a_tuple_behind_none, asks_in_a_list_behind_dots, asks_by_keyword_behind_none),
    *(asks_for_one_of_two, asks_whether_one_of_two, asks_for_one_or_a_global),
    *(asks_an_element_of_a_loop, asks_by_operator, asks_by_another_name, asks_for_ids),
    *(asks_for_ids_of_builtins, asks_the_type_by_another_name, asks_the_type_of_builtins),
]


@pytest.mark.parametrize("asks", OF_TWO, ids=lambda f: f.__name__)
def test_the_identity_of_arguments_is_asked_of_the_arguments(asks: Any) -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sum(x) * (2.0 if asks(x, y) else 3.0)

    one, other = np.ones(3), np.ones(3)
    jitted = wg.jit(f, wait=True)
    for args in ((one, one), (one, other), (other, other)):
        assert jitted(*args) == f(*args)
    assert not jitted.paths()


@pytest.mark.parametrize("name", ["type", "id", "is_"])
def test_a_question_in_a_closure_is_found(name: str) -> None:
    asks = getattr(operator, name, None) or getattr(builtins, name)

    def f(x: Any, y: Any) -> Any:
        return x * (2.0 if (asks(x, y) if name == "is_" else asks(x) == asks(y)) else 3.0)

    jitted = wg.jit(f, wait=True)
    one = np.ones(3)
    for y in (one, np.float64(1.0), np.ones(3)):
        np.testing.assert_array_equal(jitted(one, y), f(one, y))
    assert not jitted.paths()


def test_a_settled_question_behind_other_values_is_no_hindrance() -> None:
    def f(x: Any, y: Any = None) -> Any:
        inside = (x, None is y, y is MISSING, ... is y, y is not np.newaxis, x is None)
        return inside[0] * sum(inside[1:])

    jitted = agree(f, (0.5,), (2.0,))
    assert jitted.paths()


# -- keys ------------------------------------------------------------------------------------------

Named = collections.namedtuple("Named", "value")


@dataclasses.dataclass(frozen=True)
class Frozen:
    value: Any


@dataclasses.dataclass
class Static:
    x: Any
    value: Any = dataclasses.field(metadata={"static": True})


_OTHER_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000001))[0]
VALUES = [
    *(0.0, -0.0, 0, False, np.float64(0), np.float64(-0.0), np.float32(0), 0j, complex(-0.0, -0.0)),
    *(1, 1.0, True, np.int64(1), np.bool_(True), fractions.Fraction(1)),
    *(decimal.Decimal("1.0"), decimal.Decimal("1.00"), np.nan, _OTHER_NAN),
    *("a", b"a", Kind.ONE, None, (), frozenset([0.0]), frozenset([-0.0])),
]


def shown(value: Any) -> str:
    """What tells values apart that Python takes for equal."""
    bits = struct.pack("<d", value) if type(value) is float else b""
    return f"{type(value).__name__} {value!r} {bits!r}"


@pytest.mark.parametrize(
    "wrap",
    [lambda v: v, lambda v: ((v, 1),), Named, Frozen, lambda v: Frozen((v,))],
    ids=["itself", "tuple", "namedtuple", "dataclass", "both"],
)
def test_static_values_that_are_equal_but_not_the_same_are_told_apart(wrap: Any) -> None:
    def inner(value: Any) -> Any:
        while isinstance(value, (tuple, Frozen)) and value != ():
            value = value[0] if isinstance(value, tuple) else value.value
        return value

    jitted = wg.jit(lambda x, s: (x * 2.0, shown(inner(s))), static_argnames="s")
    for value in (*VALUES, *VALUES):
        assert jitted(1.0, wrap(value))[1] == jitted(1.0, s=wrap(value))[1] == shown(value)


def test_keys_of_dicts_and_static_fields_are_told_apart() -> None:
    keys = wg.jit(lambda d: [shown(key) for key in d])
    fields = wg.jit(lambda s: (s.x * 2.0, shown(s.value)))
    for call in range(3):
        for value in VALUES:
            assert keys({value: 1.0}) == [shown(value)]
            assert fields(Static(1.0, value))[1] == shown(value)
        if call == 1:
            keys.wait()
            fields.wait()


def test_a_captured_number_counts_to_the_bit() -> None:
    number: Any = 0.0
    jitted = wg.jit(lambda x: np.copysign(x, number))
    for _ in range(3):
        for number in (0.0, -0.0, np.nan, -np.nan):
            assert jitted(2.0) == np.copysign(2.0, number)
        jitted.wait()


NAN = float("nan")
CONTAINERS: dict[str, Callable[[Any, Any], Any]] = {
    "list": lambda x, y: [x, y] == [y, x],
    "tuple": lambda x, y: (x,) == (y,),
    "itself": lambda x, y: (x, y) == (x, y),
    "in": lambda x, y: x in [y],
    "not in": lambda x, y: x not in (1.5, y),
    "in a constant": lambda x, y: x in [NAN],
    "of float": lambda x, y: x in [float(x)],
    "index": lambda x, y: [1.5, y, x].index(x),
    "count": lambda x, y: [x, y, 1.5].count(x),
    "dict": lambda x, y: {"a": x} == {"a": y},
    "set": lambda x, y: len({x, y}),
    "deque": lambda x, y: x in collections.deque([y]),
    "nested": lambda x, y: [[x], 1] == [[y], 1],
    "order": lambda x, y: (x, 1) < (y, 2),
    "branch": lambda x, y: 1 if x == y else 2,
    "NaN": lambda x, y: 1 if x != x else 2,
}


@pytest.mark.parametrize("kind", [float, np.float64, np.array])
@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_take_one_nan_for_equal_to_itself(name, kind):
    f = CONTAINERS[name]
    one, other, nan, more = kind(1.0), kind(2.0), kind(NAN), kind(float("nan"))
    if name == "set" and kind is np.array:
        pytest.skip("arrays have no hash")
    for calls in ([(one, other), (nan, nan), (nan, more)], [(nan, nan), (one, one), (nan, one)]):
        jitted = wg.jit(f)
        for args in calls:
            found, wanted = _answer(jitted, args), _answer(f, args)
            assert found == wanted, args


def _answer(f: Callable[..., Any], args: Any) -> Any:
    try:
        return f(*args)
    except ValueError:
        return ValueError


def test_a_branch_on_nan_stays_native():
    jitted = wg.jit(lambda x, y: 1.0 * x if x == y else 2.0 * x, wait=True)
    nan = np.float64(np.nan)
    for _ in range(3):
        assert np.isnan(jitted(nan, nan))
        assert jitted(np.float64(1.0), np.float64(1.0)) == 1.0
    assert "runs as it is" not in jitted.report()


@pytest.mark.parametrize("name", ["writeable", "behaved", "carray"])
@pytest.mark.parametrize("x", [np.array(0.3), np.array(3), np.ones(2), np.broadcast_to(1.0, 3)])
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x[...],
        np.transpose,
        np.zeros_like,
        lambda x: np.broadcast_to(x, (2, *x.shape)),
        lambda x: np.diagonal(np.ones((2, 2)) * np.sum(x)),
    ],
)
def test_whether_an_array_can_be_written_to_is_as_in_numpy(view, x, name):
    answers = []

    def f(x):
        answers.append((getattr(view(x).flags, name), view(x).flags[name.upper()]))
        return x * 1.0

    f(x)
    wg.jit(f)(x)
    assert answers[1] == answers[0]
