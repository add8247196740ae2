"""One call of a function with rules of the user's own: its arguments, its result and its rules."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..calls import fit_tangent, result_leaf
from ..errors import ShapeError, UnknownDerivativeError, UnsupportedError
from ..primitive import Operand, Traced, operand_type
from ..program import Array, Literal, Type
from ..trace import (
    ArrayTracer,
    ForeignValueError,
    PythonNumber,
    Tracer,
    as_python_number,
    is_python_number,
    layout,
    snapshot,
)
from ..transforms.tape import transpose_at_zero
from .call import Call, Flags, RuleCall, Terms, applied, custom, traced, traced_in, zero
from .linear import Transposing, check_rule
from .results import NUMBERS, Memory, Outcome, blank, declared, flat, operand_key, samples

__all__ = ["UserCall", "alike_of", "all_plain"]


_CONSTANTS = frozenset({int, float, bool, str, type(None)})
"""Classes of constants whose values can be compared, and not be changed."""


class WroteError(UnsupportedError):
    """A function wrote into its argument."""


# -- arguments -------------------------------------------------------------------------------------


def _is_operand(leaf: Any, fixed: bool) -> bool:
    """Whether a part of an argument is an operand of the equation: a number or an array.

    Of the arguments without derivatives only what is traced is one.
    """
    if isinstance(leaf, Traced):
        return True
    if isinstance(leaf, np.ndarray) and leaf.dtype.hasobject:
        return any(isinstance(element, Traced) for element in leaf.flat) if fixed else True
    if fixed:
        return False
    if isinstance(leaf, (np.ndarray, np.generic)):
        return leaf.dtype.kind in "fciub"
    return type(leaf) in NUMBERS


def _token(value: Any) -> Hashable:
    """What makes two constants the same: their value where that can be hashed."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject and value.nbytes <= 1 << 12:
        return value.dtype.str, value.shape, value.tobytes()
    try:
        hash(value)
    except TypeError:
        return _Identity(value)
    return type(value), repr(value) if isinstance(value, float) else value


class _Identity:
    """Stands for an object in a key, and keeps it alive."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value


class _Argument:
    """One argument: its structure, and for each leaf the number of an operand or a constant."""

    def __init__(self, value: Any, fixed: bool, operands: list[Array]) -> None:
        leaves, self.spec = tree.flatten(value)
        self.fixed = fixed
        self.places: list[int | None] = []
        self.constants: list[Any] = []
        self.python: list[bool] = []
        for leaf in leaves:
            moves = _is_operand(leaf, fixed)
            self.python.append(is_python_number(leaf))
            self.places.append(len(operands) if moves else None)
            self.constants.append(None if moves else leaf.copy("K") if _is_array(leaf) else leaf)
            if moves:
                weak = type(leaf) in NUMBERS or (isinstance(leaf, Traced) and not leaf.shape)
                operands.append(leaf if weak else result_leaf(leaf))

    @property
    def key(self) -> Hashable:
        """What makes two arguments of a call the same, but for the operands."""
        constants = tuple(map(_token, self.constants))
        return self.spec, self.fixed, tuple(self.places), tuple(self.python), constants

    def given(self, values: Sequence[Any]) -> Any:
        """The argument with these values, Python's numbers where the caller gave such."""
        pairs = zip(self.places, self.python, strict=True)
        numbers = {place for place, python in pairs if python}
        return self.put([_of_python(v) if i in numbers else v for i, v in enumerate(values)])

    def put(self, values: Sequence[Any], constants: bool = True) -> Any:
        """The argument with these values in place of the operands; None for constants if wanted."""
        return tree.unflatten(
            self.spec,
            [
                values[place] if place is not None else constant if constants else None
                for place, constant in zip(self.places, self.constants, strict=True)
            ],
        )


def _of_kind(value: Array, python: bool) -> Any:
    return _of_python(value) if python else value


def _of_python(number: Array) -> Any:
    """One of Python's numbers for one of NumPy's."""
    return number.item() if isinstance(number, np.generic) else as_python_number(number)


def _is_plain(value: Any) -> bool:
    return type(value) is np.ndarray or type(value) is np.float64


def _is_array(leaf: Any) -> bool:
    return type(leaf) is np.ndarray


def _order(operand: Array) -> tuple[int, ...] | None:
    """The axes in the order in which they lie in memory, None if that is their own.

    NumPy's functions can ask for it, and so can the user's, wherever they are called from.
    """
    if len(np.shape(operand) if type(operand) in NUMBERS else operand.shape) < 2:
        return None
    model = layout(operand)
    if model.flags.c_contiguous:
        return None
    return tuple(sorted(range(model.ndim), key=lambda axis: -abs(model.strides[axis])))


def _own(value: Array, order: tuple[int, ...] | None = None) -> Array:
    """A copy of a value, which a function of the user's may keep or write into."""
    kind: Any = type(value)
    plain = kind is np.ndarray
    if not plain and not getattr(kind, "assignable", False):
        return value
    if order is not None and (plain or _order(value) != order):
        return value.transpose(order).copy().transpose(tuple(np.argsort(order)))
    return value.copy("K") if plain else snapshot(value)


def _own_tree(value: Any) -> Any:
    """The same of nested values."""
    kind = type(value)
    if kind is np.ndarray and not value.dtype.hasobject:
        return value.copy("K")
    if kind is tuple:
        return tuple([_own_tree(part) for part in value])
    return value if kind in _CONSTANTS or kind is np.float64 else tree.map_leaves(_own, value)


SHORT = 1 << 12
"""Up to this many bytes are compared in one piece."""


def _bits(array: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    parts = [array.real, array.imag] if array.dtype.kind == "c" else [array]
    kind = f"u{parts[0].dtype.itemsize}"
    return [part.view(kind) if part.dtype.itemsize in (1, 2, 4, 8) else part for part in parts]


def _changed(copy: Array, value: Array) -> bool:
    """Whether a function has written into the copy that it was given."""
    if type(copy) is np.ndarray:
        if copy.shape != value.shape or copy.dtype != value.dtype:
            return True
        if copy.nbytes <= SHORT:
            return copy.tobytes() != value.tobytes()
        pairs = zip(_bits(copy), _bits(value), strict=True)
        return not all(np.array_equal(a, b) for a, b in pairs)
    return getattr(type(copy), "assignable", False) and copy.version > 0


# -- one call --------------------------------------------------------------------------------------


class UserCall(Call):
    """One call of a function with its own rules."""

    def __init__(self, function: Any, args: Sequence[Any]) -> None:
        count = len(args)
        fixed = {place % count for place in function.nondiff_argnums if -count <= place < count}
        self.operands: list[Array] = []
        self.arguments = [_Argument(a, i in fixed, self.operands) for i, a in enumerate(args)]
        narrow = any(Type.of(operand).dtype.char in "efF" for operand in self.operands)
        if not narrow:  # Elsewhere a Python number must not be one of NumPy's.
            self.operands = [o.strong() if isinstance(o, Traced) else o for o in self.operands]
        self.orders = tuple(map(_order, self.operands))
        keys = tuple(argument.key for argument in self.arguments)
        super().__init__((id(function), keys, self.orders))
        self.function = function
        self.name = function.__name__
        facts = function.memory.get(("facts", self.key))
        if facts is None:
            function.memory["facts", self.key] = facts = Memory()
        self.facts: Memory = facts
        self.free = [a for a in self.arguments if not a.fixed]
        self.numbers = [number for a in self.free for number in a.python]
        self.simple = all(a.spec is tree.LEAF and a.places != [None] for a in self.free) and all(
            _constant_key(args[i]) is not None for i in fixed
        )
        self.constants = tuple(args[i] for i in sorted(fixed)) if self.simple else ()

    def again(self, operands: list[Array]) -> UserCall:
        """Another call whose arguments are of the same kinds."""
        call = object.__new__(UserCall)
        call.__dict__ = {**self.__dict__, "known": {}, "latest": None, "operands": operands}
        return call

    def bind(self) -> Any:
        """The result of the call, as an equation of the operands' traces."""
        operands, self.operands = self.operands, []
        found = custom.bind(*operands, call=self)
        return tree.unflatten((self.latest or self.outcome(operands)).spec, found)

    def _checked(
        self,
        function: Callable[..., Any],
        leaves: Sequence[Array],
        orders: Sequence[tuple[int, ...] | None],
        what: str = "",
    ) -> Any:
        """What a function returns for all arguments, of which it is given copies."""
        given = list(map(_own, leaves, orders))
        if self.simple:
            values = map(_of_kind, given, self.numbers) if True in self.numbers else given
            if self.constants:
                rest, fixed = iter(values), iter(self.constants)
                values = [next(fixed if a.fixed else rest) for a in self.arguments]
            result = function(*values)
        else:
            result = function(*(argument.given(given) for argument in self.arguments))
        if True in map(_changed, given, leaves):
            raise WroteError(
                f"{what}{self.name}, a function with a rule of its own, wrote into its argument, "
                "which the values around it cannot see",
                remedy="x = x * 2 for x *= 2, or x = x.copy() before it",
            )
        return result

    # -- results ---------------------------------------------------------------------------------

    def run(self, *leaves: Array) -> tuple[Sequence[Array], tree.Spec]:
        return flat(self._checked(self.function.function, leaves, self.orders))

    def run_batch(self, leaves: Sequence[Array]) -> tuple[Sequence[Array], tree.Spec] | None:
        """The results for a batch in front of all leaves, by the rule for that if there is one."""
        rule = self.function.batch_rule
        if rule is None:
            return None
        anyhow = [None] * len(leaves)
        return flat(self._checked(rule, leaves, anyhow, "the batching rule of "))

    def expected(self, operands: Sequence[Operand | Array]) -> Outcome | None:
        known = super().expected(operands)
        if known is None and self.function.result is not None:
            types = [operand_type(o) if hasattr(o, "type") else Type.of(o) for o in operands]
            given = [
                (o.value if isinstance(o, Literal) else o)
                if operand_key(o) in NUMBERS
                else blank(t)
                for o, t in zip(operands, types, strict=True)
            ]
            return self.note(
                operands,
                declared(
                    self.function.result,
                    lambda: [argument.put(given) for argument in self.arguments],
                    self.name,
                ),
            )
        return known

    def note(self, operands: Sequence[Operand | Array], outcome: Outcome) -> Outcome:
        keys = tuple(map(operand_key, operands))
        before = self.facts.get(keys)
        if before is None or before.types != outcome.types or before.spec != outcome.spec:
            self.facts[keys] = before = outcome
        return self.known.setdefault(keys, before)

    def fitted(
        self, leaves: Sequence[Array], found: Sequence[Array], spec: tree.Spec
    ) -> tuple[Array, ...]:
        if not self.known and self.function.result is None and len(found) == 1:
            # Nothing is expected. The result is most often of the type that earlier calls had.
            keys, leaf = tuple(map(operand_key, leaves)), found[0]
            before = self.facts.get(keys)
            if before is not None and spec is before.spec:
                (type,) = before.types
                if leaf.shape == type.shape and leaf.dtype is type.dtype:
                    self.known[keys] = self.latest = before
                    return (leaf,)
        return super().fitted(leaves, found, spec)

    def found(self, operands: Sequence[Operand]) -> Outcome:
        specs: list[tree.Spec] = []

        def run(*leaves: Array) -> Sequence[Array]:
            found, spec = self.run(*leaves)
            specs.append(spec)
            return found

        try:
            program = traced(run, operands)
            return Outcome(specs[-1], program.output_types, "tracing it")
        except (ForeignValueError, WroteError):
            raise
        except Exception:
            known = self.facts.get(tuple(map(operand_key, operands)))
        return self._tried(operands) if known is None else known

    def _tried(self, operands: Sequence[Operand]) -> Outcome:
        """The outcome of a call with sample values."""
        reason = ""
        for values in samples(operands):
            try:
                with np.errstate(all="ignore"):
                    found, spec = self.run(*values)
            except (ForeignValueError, WroteError):
                raise
            except Exception as error:
                reason = reason or f"{type(error).__name__}: {error}".splitlines()[0]
                continue
            if any(isinstance(leaf, Traced) for leaf in found):
                raise ForeignValueError
            return Outcome(spec, tuple(map(Type.of, found)), "a call with sample values")
        types = ", ".join(str(operand_type(operand)) for operand in operands)
        raise UnknownDerivativeError(
            f"{self.name}({types}) is needed while its arguments have no values, and what it "
            f"returns is not known: it cannot be traced, and a call with sample values raised "
            f"{reason}",
            remedy="result=np.empty(3), or result=lambda x: np.empty(x.shape), as an argument of "
            "the decorator: of the arrays only shape and dtype count",
        )

    # -- rules -----------------------------------------------------------------------------------

    def check_active(self, active: Sequence[Any]) -> None:
        function = self.function
        if function.rule is None and function.bwd is None:
            raise UnknownDerivativeError(
                f"{self.name} is a {type(function).__name__} function without a rule",
                remedy=f"@{self.name}.defjvp before a function (primals, tangents), or "
                f"{self.name}.defvjp(fwd, bwd)",
            )
        if self.simple:
            return
        for number, argument in enumerate(self.arguments):
            places = [place for place in argument.places if place is not None]
            if argument.fixed and any(active[place] is not None for place in places):
                raise UnknownDerivativeError(
                    f"argument {number} of {self.name} is among its nondiff_argnums, and a "
                    "derivative with respect to it is needed",
                    remedy="wg.stop_gradient(...) around that argument if it is meant to be "
                    "constant; or no nondiff_argnums, and a rule that has its tangent",
                )

    def _fixed(self, leaves: Sequence[Array]) -> list[Any]:
        return [argument.put(leaves) for argument in self.arguments if argument.fixed]

    def _moving(self, leaves: Sequence[Any], constants: bool = True) -> tuple[Any, ...]:
        return tuple(a.put(leaves, constants) for a in self.arguments if not a.fixed)

    def _pushed(self, primals: Sequence[Array], tangents: Sequence[Array]) -> Terms:
        """The tangents of the results by the user's rule, from all of the operands'."""
        values = tuple(map(_own, primals, self.orders))
        dots = tuple(map(_own, tangents))
        if self.simple:
            pair = self.function.rule(*self.constants, values, dots)
        else:
            moving = self._moving(values), self._moving(dots, constants=False)
            pair = self.function.rule(*self._fixed(values), *moving)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ShapeError(
                f"the rule of {self.name} must return a pair (result, tangent)",
                remedy=f"return {self.name}(x), slope * x_dot",
            )
        result, tangent = pair
        outcome = self.outcome(primals)
        if outcome.spec is not tree.LEAF:
            what = f"the result that the rule of {self.name} returned"
            _fitted_tree(outcome.spec, None, result, what)
        what = f"the tangent that the rule of {self.name} returned"
        return _fitted_tree(outcome.spec, outcome.types, tangent, what)

    def tangents(self, primals: Sequence[Array], tangents: Terms, residuals: Any = None) -> Terms:
        places = [i for i, tangent in enumerate(tangents) if tangent is not None]
        moving = tuple(tangent is not None for tangent in tangents)
        types = self.outcome(primals).types
        given = [tangents[i] for i in places]
        count = len(primals)
        self._check(primals, moving, [Type.of(zero(type)) for type in types])
        if self.function.rule is not None:
            rule = functools.partial(self._pushed_some, places, count)
            return applied(self._rule(("jvp", *places), rule, types), (*primals, *given))

        def pushed(*both: Array) -> Terms:
            kept = residuals or (self._residuals(both[:count]),)
            transposing = self._transposing(
                lambda *bars: self._pulled(both[:count], bars, moving, kept[0]),
                [Type.of(zero(type)) for type in types],
                ("bwd", *places),
                "cotangent",
                both,
            )
            return transposing.pull(both[count:], both)

        return applied(self._rule(("jvp of vjp", *places), pushed, types), (*primals, *given))

    def _pushed_some(self, places: Sequence[int], count: int, *both: Array) -> Terms:
        given = dict(zip(places, both[count:], strict=True))
        full = [given[i] if i in given else zero(both[i]) for i in range(count)]
        return self._pushed(both[:count], full)

    def _check(self, primals: Sequence[Array], moving: Flags, types: Sequence[Type]) -> None:
        """Raise if the rule that is to be used, or transposed, is not linear; looked at once.

        ``types`` are those of the result.
        """
        function = self.function
        forward = function.rule is not None
        key = "linear", self._rules(), moving, *map(operand_key, primals)
        if key in self.facts:
            return
        places = [i for i, moves in enumerate(moving) if moves]
        if forward:
            check_rule(
                lambda values, dots: self._pushed_some(places, len(primals), *values, *dots),
                primals,
                [Type.of(primals[i]) for i in places],
                self.name,
            )
        else:
            check_rule(
                lambda values, bars: self._pulled(values, bars, moving, self._residuals(values)),
                primals,
                types,
                self.name,
                "cotangent",
            )
        self.facts[key] = True

    def _rules(self) -> Hashable:
        function = self.function
        return id(function.rule), id(function.fwd), id(function.bwd)

    def _rule(self, kind: Hashable, rule: Callable[..., Terms], types: Sequence[Type]) -> RuleCall:
        function = self.function
        key = kind, self, self._rules()
        return RuleCall(key, self.name, rule, types, function.memory)

    def _transposing(
        self,
        rule: Callable[..., Terms],
        types: Sequence[Type],
        kind: Hashable,
        of: str,
        leaves: Sequence[Array],
    ) -> Transposing:
        return Transposing(
            rule,
            types,
            name=self.name,
            of=of,
            kind=(kind, self._rules()),
            key=lambda: (kind, self._rules(), *map(operand_key, leaves)),
            memory=self.facts,
            function=self.function,
        )

    def forward(self, *leaves: Array) -> tuple[tuple[Array, ...], Any] | None:
        if self.function.fwd is None:
            return None
        result, residuals = self._ahead(leaves)
        found, spec = flat(result)
        return self.fitted(leaves, found, spec), residuals

    def _residuals(self, leaves: Sequence[Array]) -> Any:
        return self._ahead(leaves)[1]

    def _ahead(self, leaves: Sequence[Array]) -> Any:
        """The result and the residuals, by the user's forward pass."""
        pair = self._checked(self.function.fwd, leaves, self.orders, "the forward pass of ")
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ShapeError(
                f"the forward pass of {self.name} must return a pair (result, residuals)",
                remedy=f"return {self.name}(x), x",
            )
        return pair

    def cotangents(
        self, primals: Sequence[Array], cotangents: Sequence[Array], moving: Flags, residuals: Any
    ) -> Terms:
        count = len(primals)
        places = [i for i, moves in enumerate(moving) if moves]
        types = [Type.of(primals[i]) for i in places]
        if self.function.bwd is None:
            self._check(primals, moving, types)
            found = self._at_zero(places, primals, cotangents, types)
            if found is not None:
                return _in_places(found, places, count)

            def pulled(*both: Array) -> Terms:
                transposing = self._transposing(
                    lambda *dots: self._pushed_some(places, count, *both[:count], *dots),
                    types,
                    ("jvp", *places),
                    "tangent",
                    both,
                )
                return transposing.pull(both[count:], both)

            call = self._rule(("vjp of jvp", *places), pulled, types)
            found = applied(call, (*primals, *cotangents))
        elif residuals is not None and not traced_in(cotangents):
            found = self._pulled(primals, cotangents, moving, residuals[0])
        elif residuals is not None:
            call = self._rule(
                ("bwd", *places, id(residuals)),
                lambda *bars: self._pulled(primals, bars, moving, residuals[0]),
                types,
            )
            found = applied(call, cotangents)
        else:
            call = self._rule(
                ("vjp", *places),
                lambda *both: self._pulled(
                    both[:count], both[count:], moving, self._residuals(both[:count])
                ),
                types,
            )
            found = applied(call, (*primals, *cotangents))
        return _in_places(found, places, count)

    def _at_zero(
        self,
        places: Sequence[int],
        primals: Sequence[Array],
        cotangents: Sequence[Array],
        types: Sequence[Type],
    ) -> Terms | None:
        """The rule transposed where that is quick, as ``Transposing`` does; None elsewhere."""
        asks = "asks", (("jvp", *places), self._rules())
        if traced_in(primals) or traced_in(cotangents) or asks in self.facts:
            return None
        rule = functools.partial(self._pushed_some, places, len(primals), *primals)
        found = transpose_at_zero(rule, types, cotangents, "protect", quiet=True)
        if found is None:
            self.facts[asks] = True
        return found

    def _pulled(
        self, primals: Sequence[Array], cotangents: Sequence[Array], moving: Flags, residuals: Any
    ) -> Terms:
        """The cotangents of the operands that move, by the user's backward pass."""
        spec = (self.latest or self.outcome(primals)).spec
        given = tree.unflatten(spec, list(map(_own, cotangents)))
        kept = _own_tree(residuals)
        if self.simple:
            arguments = able = self.free
            found = self.function.bwd(*self.constants, kept, given)
        else:
            arguments = self.free
            able = [a for a in arguments if any(place is not None for place in a.places)]
            found = self.function.bwd(*self._fixed(primals), kept, given)
        if not isinstance(found, (tuple, list)) or len(found) not in (len(arguments), len(able)):
            raise ShapeError(
                f"the backward pass of {self.name} must return a tuple with a cotangent for each "
                f"of its {len(arguments)} arguments",
                remedy="return (x_bar,), and None for a cotangent that is zero",
            )
        what = f"the cotangent that the backward pass of {self.name} returned"
        terms: list[Array | None] = [None] * len(primals)
        pairs = zip(arguments if len(found) == len(arguments) else able, found, strict=True)
        for argument, cotangent in pairs:
            if cotangent is None:
                continue
            types = [None if p is None else Type.of(primals[p]) for p in argument.places]
            fitted = _fitted_tree(argument.spec, types, cotangent, what)
            for place, term in zip(argument.places, fitted, strict=True):
                if place is not None:
                    terms[place] = term
        return [term for term, moves in zip(terms, moving, strict=True) if moves]


def _in_places(terms: Terms, places: Sequence[int], count: int) -> Terms:
    """Terms of all operands from those of some, None elsewhere."""
    if len(places) == count:
        return terms
    full: list[Array | None] = [None] * count
    for place, term in zip(places, terms, strict=True):
        full[place] = term
    return full


def _fitted_tree(
    spec: tree.Spec, types: Sequence[Type | None] | None, value: Any, what: str
) -> list[Array | None]:
    """The leaves of a rule's result, which has to have this structure, and these types if given.

    None stands for zero, for a leaf without a type anything may.
    """
    if spec is tree.LEAF and types is not None and _is_plain(value):
        (wanted,) = types
        if wanted is not None and value.dtype is wanted.dtype and value.shape == wanted.shape:
            return [value[()] if wanted.differentiable else wanted.zeros()]
    try:
        parts = tree.parts_like(spec, value)
    except ValueError:
        tree.flatten_like(spec, value, what)
        raise
    if types is None:
        return parts
    fitted: list[Array | None] = []
    for part, type in zip(parts, types, strict=True):
        if type is None or part is None:
            fitted.append(None)
            continue
        if isinstance(part, (Traced, np.ndarray)):
            part = result_leaf(part)
        elif isinstance(part, (dict, list, tuple)):
            tree.flatten_like(spec, value, what)
        fitted.append(fit_tangent(part, type, what.removeprefix("the ")))
    return fitted


def _constant_key(value: Any) -> Hashable:
    """What makes constants the same where that is quick to see; None elsewhere."""
    kind = type(value)
    if kind in _CONSTANTS:
        return kind, repr(value)
    if kind is tuple and _CONSTANTS.issuperset(map(type, value)):
        return kind, repr(value)
    return None


def all_plain(args: Sequence[Any]) -> bool:
    """Whether the arguments are numbers and arrays of numbers, the quickest to see."""
    for arg in args:
        kind = type(arg)
        if kind is np.ndarray:
            if arg.dtype.hasobject:
                return False
        elif kind is not float and kind is not np.float64 and kind is not int:
            return False
    return True


def alike_of(function: Any, args: Sequence[Any]) -> UserCall | None:
    """The call of a function with arguments that are numbers and arrays, some of them traced.

    It is made from an earlier one with arguments of the same kinds, and the same constants among
    its ``nondiff_argnums``. None for other arguments.
    """
    fixed: Sequence[int] = ()
    if function.nondiff_argnums:
        count = len(args)
        fixed = [place % count for place in function.nondiff_argnums if -count <= place < count]
    token: list[Any] = ["call"]
    operands: list[Any] = []
    traced = False
    for place, arg in enumerate(args):
        kind: Any = type(arg)
        if place in fixed:
            token.append(_constant_key(arg))
            if token[-1] is None:
                return None
            continue
        token.append(kind)
        if kind is ArrayTracer or kind is Tracer or kind is PythonNumber:
            traced = True
            token.append(None if kind is not ArrayTracer else _order(arg))
        elif kind is np.ndarray:
            if arg.dtype.kind not in "fciub":
                return None
            token.append(_order(arg))
        elif kind is not float and kind is not np.float64 and kind is not int:
            return None
        operands.append(arg)
    if not traced:
        return None
    key = tuple(token)
    model = function.memory.get(key)
    if model is not None:
        return model.again(operands)
    call = UserCall(function, args)
    function.memory[key] = call.again([])
    return call
