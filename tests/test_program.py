"""The Program: printed, compared, hashed, and checked."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ProgramError
from wengert.primitives import arithmetic, elementary
from wengert.program import Equation, Literal, Program, Type, Var, variable_names

F64 = Type((), np.dtype(float))
VECTOR = Type((3,), np.dtype(float))


def small(first="sin"):
    a, b, c = Var(F64), Var(F64), Var(F64)
    one = Equation(getattr(elementary, first), (a,), {}, (b,))
    two = Equation(arithmetic.multiply, (b, Literal(2.0)), {}, (c,))
    return Program((a,), (one, two), (c,))


def test_it_prints_aligned_with_shapes_and_dtypes():
    program = wg.trace(lambda x, n: np.sum(np.where(x > 0, np.sin(x), 2.0)) * n)(np.ones(3), 1.5)
    assert str(program).splitlines() == [
        "program(a: f64[3], b: f64):",
        "    c: bool[3] = a > 0",
        "    d: f64[3]  = sin(a)",
        "    e: f64[3]  = select(c, d, 2.0)",
        "    f: f64     = sum(e, axes=(0,))",
        "    g: f64     = f * b",
        "    return g",
    ]


def test_types_read_aloud():
    assert str(Type((3, 4), np.dtype(np.float32))) == "f32[3,4]"
    assert str(Type((), np.dtype(np.complex128))) == "c128"
    assert str(Type((2,), np.dtype(bool))) == "bool[2]"
    assert str(Type((2,), np.dtype(np.int64))) == "i64[2]"


def test_programs_are_equal_up_to_renaming():
    assert small() == small()
    assert hash(small()) == hash(small())
    assert small() != small("cos")
    assert len({small(), small(), small("cos")}) == 2
    assert small() != "a program"


def test_constants_are_compared_by_their_bits():
    def with_constant(value):
        return wg.trace(lambda x: x * value)(np.ones(2))

    assert with_constant(np.array([1.0, np.nan])) == with_constant(np.array([1.0, np.nan]))
    assert with_constant(np.array([1.0, 2.0])) != with_constant(np.array([1.0, 3.0]))
    assert with_constant(2) != with_constant(2.0)
    assert with_constant(0.0) != with_constant(-0.0)


def test_constants_are_copies_that_cannot_change():
    data = np.ones(2)
    program = wg.trace(lambda x: x * data)(np.ones(2))
    data[:] = 5.0
    np.testing.assert_array_equal(wg.evaluate(program, [np.ones(2)])[0], np.ones(2))


def test_a_program_is_immutable():
    with pytest.raises(AttributeError):
        small().inputs = ()


def test_check_accepts_what_is_right():
    assert small().check() == small()


def test_check_finds_a_variable_used_before_its_assignment():
    program = small()
    swapped = Program(program.inputs, program.equations[::-1], program.outputs)
    with pytest.raises(ProgramError, match="used before"):
        swapped.check()


def test_check_finds_an_output_that_is_never_assigned():
    program = small()
    with pytest.raises(ProgramError, match="the outputs"):
        Program(program.inputs, program.equations, (Var(F64),)).check()


def test_check_finds_a_second_assignment():
    program = small()
    first = program.equations[0]
    with pytest.raises(ProgramError, match="assigned twice"):
        Program(program.inputs, (first, first), program.outputs).check()
    with pytest.raises(ProgramError, match="assigned twice"):
        Program((*program.inputs, *program.inputs), program.equations, program.outputs).check()


def test_check_finds_a_wrong_type():
    a, b = Var(F64), Var(VECTOR)
    with pytest.raises(ProgramError, match=r"declared f64\[3\], but its primitive gives f64"):
        Program((a,), (Equation(elementary.sin, (a,), {}, (b,)),), (b,)).check()


def test_check_finds_a_wrong_number_of_operands():
    a, b = Var(F64), Var(F64)
    with pytest.raises(ProgramError, match="does not fit its operands"):
        Program((a,), (Equation(elementary.sin, (a, a), {}, (b,)),), (b,)).check()


def test_check_finds_operands_that_do_not_broadcast():
    a, b, c = Var(VECTOR), Var(Type((2,), np.dtype(float))), Var(VECTOR)
    with pytest.raises(ProgramError, match="does not fit its operands"):
        Program((a, b), (Equation(arithmetic.add, (a, b), {}, (c,)),), (c,)).check()


def test_check_finds_an_unhashable_parameter():
    from wengert.primitives.shape import reshape

    a, b = Var(VECTOR), Var(VECTOR)
    with pytest.raises(ProgramError, match="unhashable"):
        Program((a,), (Equation(reshape, (a,), {"shape": {3}}, (b,)),), (b,)).check()


def test_evaluate_wants_one_value_for_each_input():
    with pytest.raises(wg.errors.ShapeError, match="takes 1 values, not 2"):
        wg.evaluate(small(), [1.0, 2.0])


def test_names_never_end_and_are_never_keywords():
    import itertools
    import keyword

    names = list(itertools.islice(variable_names(), 800))
    assert names[:3] == ["a", "b", "c"]
    assert len(set(names)) == 800
    assert not any(map(keyword.iskeyword, names))


def test_a_program_can_be_pickled():
    import pickle

    program = wg.trace(lambda x: np.sum(np.sin(x) * np.arange(3.0)))(np.ones(3))
    again = pickle.loads(pickle.dumps(program))
    assert again == program
    assert wg.evaluate(again, [np.ones(3)]) == wg.evaluate(program, [np.ones(3)])


def test_the_parameters_of_an_equation_cannot_be_changed():
    program = wg.trace(np.sum)(np.ones(3))
    with pytest.raises(TypeError):
        program.equations[0].params["axes"] = ()
