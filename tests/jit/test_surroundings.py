"""What a function's result can depend on besides its arguments, and changes between calls."""

from __future__ import annotations

import collections
import contextvars
import dataclasses
import functools
import itertools
import operator
import os
import random
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jitted_calls import same

import wengert as wg
from support import transform

pytestmark = pytest.mark.filterwarnings("ignore::wengert.errors.JitWarning")

X = np.array([1.0, -2.0, 3.0])

Made = tuple[Callable[..., Any], Callable[[int], Any]]
"""A function of one array, and what changes its surroundings before a call."""


class Thing:
    """An object with attributes."""

    scale = 1.0

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def scaled(self, x: Any) -> Any:
        return x * self.scale


class Slotted:
    __slots__ = ("scale",)


class Equal(Thing):
    """Equal to all of its kind, whatever its attributes are."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Equal)


class Proxy:
    def __init__(self, target: Any) -> None:
        object.__setattr__(self, "_target", target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


@dataclasses.dataclass(frozen=True)
class Frozen:
    parts: list[float]


def module(text: str, **names: Any) -> types.ModuleType:
    """A module of the user's own."""
    made = types.ModuleType("written_here")
    vars(made).update(names)
    exec(text, vars(made))
    return made


def default_argument() -> Made:
    weights = np.ones(3)

    def f(x: Any, w: Any = weights) -> Any:
        return x * w

    return f, lambda n: weights.__setitem__(0, n)


def keyword_default_of_a_helper() -> Made:
    weights = np.ones(3)

    def helper(x: Any, *, w: Any = weights) -> Any:
        return x * w

    return lambda x: helper(x), lambda n: weights.__setitem__(0, n)


def attribute_of_a_function() -> Made:
    def helper(x: Any) -> Any:
        return x * helper.scale

    helper.scale = 1.0
    return lambda x: helper(x), lambda n: setattr(helper, "scale", float(n))


def attribute_of_a_class() -> Made:
    class Settings:
        scale = 1.0

    return lambda x: x * Settings.scale, lambda n: setattr(Settings, "scale", float(n))


def attribute_of_an_instances_class() -> Made:
    class Model(Thing):
        pass

    model = Model()
    return lambda x: model.scaled(x), lambda n: setattr(Model, "scale", float(n))


def variable_of_a_module() -> Made:
    settings = module("scale = 1.0")
    return lambda x: x * settings.scale, lambda n: setattr(settings, "scale", float(n))


def global_of_a_function_of_a_module() -> Made:
    home = module("scale = 1.0\ndef f(x): return x * scale")
    return lambda x: home.f(x), lambda n: setattr(home, "scale", float(n))


def variable_of_a_module_in_a_module() -> Made:
    home = module("", inner=module("scale = 1.0"))
    return lambda x: x * home.inner.scale, lambda n: setattr(home.inner, "scale", float(n))


def global_of_a_method() -> Made:
    home = module("scale = 1.0\nclass Model:\n  def f(self, x): return x * scale\nmodel = Model()")
    model = home.model
    return lambda x: model.f(x), lambda n: setattr(home, "scale", float(n))


def global_of_a_method_of_the_object() -> Made:
    home = module(
        "scale = 1.0\nclass Model:\n  def f(self, x): return self.g(x)\n"
        "  def g(self, x): return x * scale\n"
    )
    return home.Model().f, lambda n: setattr(home, "scale", float(n))


def global_that_comes_later() -> Made:
    home = module("def f(x):\n  try: return x * late\n  except NameError: return x")
    return home.f, lambda n: n and setattr(home, "late", float(n))


def global_with_a_builtins_name() -> Made:
    home = module("pow = 1.0\ndef f(x): return x * pow")
    return home.f, lambda n: setattr(home, "pow", float(n))


def another_ufunc() -> Made:
    home = module("def f(x): return act(x)", act=np.sin)
    return home.f, lambda n: setattr(home, "act", [np.sin, np.cos, np.tan][n % 3])


def another_closure_of_the_same_code() -> Made:
    def times(k: float) -> Any:
        return lambda x: x * k

    home = module("def f(x): return act(x)", act=times(1.0))
    return home.f, lambda n: setattr(home, "act", times(float(n)))


def another_class() -> Made:
    kinds = [type(f"Kind{k}", (), {"scale": float(k)}) for k in range(3)]
    home = module("def f(x): return x * Kind.scale", Kind=kinds[0])
    return home.f, lambda n: setattr(home, "Kind", kinds[n % 3])


def property_of_an_object() -> Made:
    class Model:
        def __init__(self) -> None:
            self._scale = 1.0

        @property
        def scale(self) -> float:
            return self._scale * 2

    model = Model()
    return lambda x: x * model.scale, lambda n: setattr(model, "_scale", float(n))


def slot() -> Made:
    slotted = Slotted()
    slotted.scale = 1.0
    return lambda x: x * slotted.scale, lambda n: setattr(slotted, "scale", float(n))


def deep_in_lists() -> Made:
    inner = [1.0]
    nested: Any = functools.reduce(lambda inside, _: [inside], range(9), inner)

    def f(x: Any) -> Any:
        found = nested
        while isinstance(found, list):
            found = found[0]
        return x * found

    return f, lambda n: inner.__setitem__(0, float(n))


def one_of_thousands() -> Made:
    things = [Thing(k=1.0) for _ in range(3000)]
    return lambda x: x * things[-1].k, lambda n: setattr(things[-1], "k", float(n))


def objects_in_a_ring() -> Made:
    one, other = Thing(), Thing(v=1.0)
    one.next, other.next = other, one
    return lambda x: x * one.next.v, lambda n: setattr(other, "v", float(n))


def behind_a_proxy() -> Made:
    target = types.SimpleNamespace(k=1.0)
    proxy = Proxy(target)
    return lambda x: x * proxy.k, lambda n: setattr(target, "k", float(n))


def objects_that_are_equal() -> Made:
    thing = Equal(k=1.0)
    return lambda x: x * thing.k, lambda n: setattr(thing, "k", float(n))


def inside_of_something_frozen() -> Made:
    frozen = Frozen([1.0])
    return lambda x: x * frozen.parts[0], lambda n: frozen.parts.__setitem__(0, float(n))


def a_set() -> Made:
    chosen = {1}
    return lambda x: x * len(chosen), chosen.add


def a_deque() -> Made:
    recent = collections.deque([1.0], maxlen=3)
    return lambda x: x * sum(recent), lambda n: recent.append(float(n))


def a_dict_with_attributes() -> Made:
    class Config(dict):
        def __getattr__(self, name: str) -> Any:
            return self[name]

    config = Config(k=1.0)
    return lambda x: x * config.k, lambda n: config.__setitem__("k", float(n))


def a_large_array() -> Made:
    table = np.ones(20_000)
    return lambda x: x * table[:10].sum() + (table * x[0]).sum(), lambda n: table.__setitem__(n, n)


def a_masked_array() -> Made:
    masked = np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0])
    return lambda x: x * masked.filled(0), lambda n: masked.__setitem__(n % 3, n)


def a_structured_array() -> Made:
    table = np.zeros(3, [("a", "f8"), ("b", "i4")])
    return lambda x: x * table["a"], lambda n: table["a"].__setitem__(0, n)


def a_context_variable() -> Made:
    scale = contextvars.ContextVar("scale", default=1.0)
    return lambda x: x * scale.get(), lambda n: scale.set(float(n))


def a_record_that_is_changed_in_place() -> Made:
    record = np.zeros(1, [("scale", float)])[0]
    return lambda x: x * record["scale"], lambda n: record.__setitem__("scale", n)


def arrays_in_a_list_in_a_dict() -> Made:
    weights = {"layers": [np.ones(3), np.ones(3)], "size": 3}

    def change(n: int) -> None:
        weights["layers"][1][2] = n

    return lambda x: x * weights["layers"][0] + weights["layers"][1], change


def default_of_a_function_in_a_list() -> Made:
    def scaled(x: Any, scale: float = 1.0) -> Any:
        return x * scale

    def change(n: int) -> None:
        scaled.__defaults__ = (float(n),)

    functions = [scaled]
    return lambda x: functions[0](x), change


def attribute_of_the_object_of_a_differentiated_method() -> Made:
    thing = Thing(scale=1.0)
    thing.total = types.MethodType(lambda self, x: np.sum(x * x * self.scale), thing)
    return wg.grad(thing.total), lambda n: setattr(thing, "scale", float(n))


def attribute_of_a_differentiated_object() -> Made:
    class Model(Thing):
        def __call__(self, x: Any) -> Any:
            return x * x * self.scale

    model = Model()
    return wg.vmap(wg.grad(model)), lambda n: setattr(model, "scale", float(n))


def array_in_a_differentiated_partial() -> Made:
    weights = np.ones(3)
    loss = functools.partial(lambda w, x: np.sum(w * x * x), weights)
    gradient = wg.grad(loss)
    return lambda x, g=gradient: g(x), lambda n: weights.__setitem__(0, n)


def attribute_of_the_object_of_a_jitted_method() -> Made:
    thing = Thing(scale=1.0)
    inner = wg.jit(thing.scaled)
    return lambda x: inner(x), lambda n: setattr(thing, "scale", float(n))


def attribute_of_the_object_of_a_method_that_a_library_wraps() -> Made:
    thing = Thing(scale=1.0)
    wrapped = np.errstate(all="ignore")(functools.singledispatch(thing.scaled))
    return lambda x: wrapped(x), lambda n: setattr(thing, "scale", float(n))


def global_of_a_method_with_a_name_put_together() -> Made:
    home = module(
        "scale = 1.0\nclass Model:\n  def f(self, x): return getattr(self, 'of_' + 'g')(x)\n"
        "  def of_g(self, x): return x * scale\n"
    )
    model = home.Model()
    return lambda x: model.f(x), lambda n: setattr(home, "scale", float(n))


def attribute_of_a_class_with_a_name_put_together() -> Made:
    home = module(
        "class Model:\n  scale_1 = 1.0\n  def f(self, x): return x * eval('self.' + 'scale_' + '1')"
    )
    model = home.Model()
    return lambda x: model.f(x), lambda n: setattr(home.Model, "scale_1", float(n))


def global_in_a_string() -> Made:
    home = module("scale = 1.0\ndef f(x): return x * globals()['scale'] + eval('x * scale')")
    return home.f, lambda n: setattr(home, "scale", float(n))


METHODS = """
scale = 1.0
class Model:
  def __init__(self): self.made = scale
  def __matmul__(self, x): return x * scale
  def __getitem__(self, place): return scale
  def __getattr__(self, name):
    if name == "other": return scale
    raise AttributeError(name)
  def __iter__(self): yield scale
  def __len__(self): return int(scale)
  def __enter__(self): return scale
  def __exit__(self, *error): return False
  def __float__(self): return float(scale)
  def __array__(self, dtype=None, copy=None): return helped()
def helped():
  import numpy as np
  return np.array([scale])
model = Model()
"""

WAYS = {
    "an operator": "return model @ x",
    "an index": "return x * model[0]",
    "an attribute": "return x * model.other",
    "a loop": "return sum(x * part for part in model)",
    "a length": "return x * len(model)",
    "a context": "with model as scale: return x * scale",
    "a number": "return x * float(model)",
    "an array": "return x + model",
    "a new object": "return x * Model().made",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_global_of_a_method_that_has_no_name_in_the_code_is_noticed(way: str) -> None:
    home = module(METHODS)
    exec(f"def f(x):\n  {WAYS[way]}", vars(home))
    jitted = wg.jit(home.f)
    for n in (1, 2):
        home.scale = float(n)  # type: ignore[attr-defined]
        same(jitted(X), home.f(X))


def test_methods_that_are_not_called_are_not_held_against_a_function() -> None:
    home = module(
        "import itertools, time\nnumbers = itertools.count()\nclass Model:\n  scale = 2.0\n"
        "  def __eq__(self, other): return other is self\n"
        "  def __hash__(self): return 1\n"
        "  def __len__(self): return next(numbers)\n"
        "  def part(self, name): return getattr(self, name)\n"
        "  def other(self, x): return x is self\n"
        "  def __init__(self): self.made = time.time()\n"
        "model = Model()"
    )
    jitted = wg.jit(lambda x: x * home.model.part("scale"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            same(jitted(X), X * 2)


def attribute_of_a_metaclass() -> Made:
    class Meta(type):
        scale = 1.0

    class Settings(metaclass=Meta):
        pass

    return lambda x: x * Settings.scale, lambda n: setattr(Meta, "scale", float(n))


def values_of_a_dict() -> Made:
    table = {"scale": 1.0}
    values, items = table.values(), table.items()

    def f(x: Any) -> Any:
        return x * sum(values) * sum(value for _, value in items)

    return f, lambda n: table.__setitem__("scale", float(n))


def a_weak_reference() -> Made:
    thing = Thing(scale=1.0)
    reference = weakref.ref(thing)
    return lambda x: x * reference().scale, lambda n: setattr(thing, "scale", float(n))


def a_view_of_memory() -> Made:
    table = np.ones(3)
    view = memoryview(table)  # type: ignore[arg-type]
    return lambda x: x * view[1], lambda n: table.__setitem__(1, n)


def an_argument_of_a_method_caller() -> Made:
    table = np.ones(3)
    caller = operator.methodcaller("scaled", table)
    thing = Thing(scale=2.0)
    return lambda x: x * caller(thing), lambda n: table.__setitem__(1, n)


def a_variable_of_a_thread() -> Made:
    local = threading.local()
    local.scale = 1.0
    return lambda x: x * local.scale, lambda n: setattr(local, "scale", float(n))


def an_array_of_objects() -> Made:
    table = np.array([1.0, None, np.ones(3), "name", [2.0]], dtype=object)

    def change(n: int) -> None:
        if n % 2:
            table[0] = float(n)
        else:
            table[2][1] = table[4][0] = n

    return lambda x: x * table[0] * table[2] + table[4][0], change


def the_environment() -> Made:
    def f(x: Any) -> Any:
        return x * float(os.environ.get("WENGERT_TEST_SCALE", "1"))

    return f, lambda n: os.environ.__setitem__("WENGERT_TEST_SCALE", str(n))


CHANGING = [
    default_argument,
    keyword_default_of_a_helper,
    attribute_of_a_function,
    attribute_of_a_class,
    attribute_of_an_instances_class,
    variable_of_a_module,
    global_of_a_function_of_a_module,
    variable_of_a_module_in_a_module,
    global_of_a_method,
    global_of_a_method_of_the_object,
    global_that_comes_later,
    global_with_a_builtins_name,
    another_ufunc,
    another_closure_of_the_same_code,
    another_class,
    property_of_an_object,
    slot,
    deep_in_lists,
    one_of_thousands,
    objects_in_a_ring,
    behind_a_proxy,
    objects_that_are_equal,
    inside_of_something_frozen,
    a_set,
    a_deque,
    a_dict_with_attributes,
    a_large_array,
    a_masked_array,
    a_structured_array,
    a_context_variable,
    a_record_that_is_changed_in_place,
    arrays_in_a_list_in_a_dict,
    default_of_a_function_in_a_list,
    attribute_of_the_object_of_a_differentiated_method,
    attribute_of_a_differentiated_object,
    array_in_a_differentiated_partial,
    attribute_of_the_object_of_a_jitted_method,
    attribute_of_the_object_of_a_method_that_a_library_wraps,
    global_of_a_method_with_a_name_put_together,
    attribute_of_a_class_with_a_name_put_together,
    global_in_a_string,
    attribute_of_a_metaclass,
    values_of_a_dict,
    a_weak_reference,
    a_view_of_memory,
    an_argument_of_a_method_caller,
    a_variable_of_a_thread,
    an_array_of_objects,
    the_environment,
]


@pytest.mark.parametrize("make", CHANGING, ids=lambda make: make.__name__)
def test_a_change_is_noticed(make: Callable[[], Made]) -> None:
    f, change = make()
    jitted = wg.jit(f, wait=True)
    for n in (0, 0, 1, 1, 2, 1, 0, *[1] * 20, 2, 0):  # after some calls it is native alone
        change(n)
        same(jitted(X), f(X))


def counter() -> Any:
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * calls

    return f


def counter_before_what_is_not_traced() -> Any:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        assert x.flags.writeable
        return transform(x).real * len(calls)

    return f


def counter_with_an_odd_result() -> Any:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return Thing(x=x * len(calls)).x, np.array(["a", "b"])[len(calls) % 2 :]

    return f


def counter_in_a_default() -> Any:
    def f(x: Any, calls: list[int] = []) -> Any:  # noqa: B006
        calls.append(1)
        return x * len(calls)

    return types.FunctionType(f.__code__, f.__globals__, "f", ([],))


def iterator() -> Any:
    numbers = itertools.count(1)
    return lambda x: x * next(numbers)


def iterator_in_an_object() -> Any:
    thing = Thing(numbers=itertools.count(1))
    return lambda x: x * next(thing.numbers)


def memory() -> Any:
    known: dict[float, Any] = {}

    def f(x: Any) -> Any:
        key = float(x[0])
        if key not in known:
            known[key] = x * 2
        return known[key]

    return f


def memory_in_an_array_of_objects() -> Any:
    known = np.full(2, None)

    def f(x: Any) -> Any:
        if known[0] is None:
            known[0] = x * 2
        return known[0]

    return f


def counter_in_an_array_of_objects_before_what_is_not_traced() -> Any:
    calls = np.array([0, [0]], dtype=object)

    def f(x: Any) -> Any:
        calls[0] += 1
        calls[1][0] += 1
        assert x.flags.writeable
        return transform(x).real * calls[0] * calls[1][0]

    return f


def difference_to_the_last_call() -> Any:
    thing = Thing(last=None)

    def f(x: Any) -> Any:
        before, thing.last = thing.last, (x * 1, "x")
        return x if before is None else x - before[0]

    return f


def global_result() -> Any:
    return module("last = 0\ndef f(x):\n  global last\n  y, last = last, x * 2\n  return x + y").f


def cached_property() -> Any:
    class Model:
        @functools.cached_property
        def weights(self) -> Any:
            return np.ones(3) * 2

    model = Model()
    return lambda x: x * model.weights


def generator_in_an_object() -> Any:
    thing = Thing(rng=np.random.default_rng(0), w=2.0)
    return lambda x: x * thing.w + thing.rng.normal(size=3)


def generator_in_a_dict() -> Any:
    parts = {"rng": np.random.default_rng(0)}
    return lambda x: x + parts["rng"].normal(size=3)


def bound_method_of_a_generator() -> Any:
    draw, choose = np.random.default_rng(0).normal, random.Random(0).random
    return lambda x: x + draw(size=3) + choose()


def generator_before_what_is_not_traced() -> Any:
    rng = np.random.default_rng(0)
    return lambda x: (transform(x).real * rng.normal(), hash(x.tobytes()) and None)


def generator_before_an_iterator() -> Any:
    rng = np.random.default_rng(0)

    def f(x: Any) -> Any:
        noise = rng.normal()
        return (v * noise for v in x)

    return lambda x: list(f(x)) if x[0] > 0 else f(x)


KEEPING = [
    counter,
    counter_before_what_is_not_traced,
    counter_with_an_odd_result,
    counter_in_a_default,
    iterator,
    iterator_in_an_object,
    memory,
    memory_in_an_array_of_objects,
    counter_in_an_array_of_objects_before_what_is_not_traced,
    difference_to_the_last_call,
    global_result,
    cached_property,
    generator_in_an_object,
    generator_in_a_dict,
    bound_method_of_a_generator,
    generator_before_what_is_not_traced,
    generator_before_an_iterator,
]


@pytest.mark.parametrize("make", KEEPING, ids=lambda make: make.__name__)
def test_what_a_function_keeps_is_kept_once_in_each_call(make: Callable[[], Any]) -> None:
    f, jitted = make(), wg.jit(make(), wait=True)
    for k in (1, 1, 2, 2, 1, 3, 1):
        wanted, found = f(X * k), jitted(X * k)
        if isinstance(wanted, tuple) and getattr(wanted[1], "dtype", X.dtype).kind == "U":
            assert wanted[1].tolist() == found[1].tolist()
            wanted, found = wanted[0], found[0]
        same(found, wanted)


def test_a_failed_trace_leaves_the_generators_as_they_were() -> None:
    def f(x: Any) -> Any:
        noise = np.random.random() + random.random()
        return (v * noise for v in x)

    jitted = wg.jit(f)
    for _ in range(3):
        results = []
        for function in (f, jitted):
            np.random.seed(1)
            random.seed(1)
            results.append(list(function(X)))
        same(*results)


def test_a_changing_cache_is_not_held_against_a_function() -> None:
    jitted = wg.jit(cached_property(), wait=True)
    for _ in range(5):
        same(jitted(X), X * 2)
    assert "native" in jitted.report()


@pytest.mark.parametrize(
    "part", [np.s_[::-1, ::-1], np.s_[::2, ::2], np.s_[:, ::-1], np.s_[:1, ::2], np.s_[:, 0]]
)
def test_a_large_array_outside_may_lie_anyhow(part: Any) -> None:
    table = np.arange(2.0 * (1 << 15)).reshape(2, 1 << 15)
    table = table.reshape(1 << 15, 2) if part == np.s_[:, 0] else table
    view = table[part]

    def f(x: Any) -> Any:
        return np.sum(view) * x

    jitted = wg.jit(f)
    for _ in range(2):
        same(jitted(2.0), f(np.float64(2.0)))
    table *= 3.0
    same(jitted(2.0), f(np.float64(2.0)))
