"""Long code that is cut into functions computes what it did in one."""

from __future__ import annotations

import re

import numpy as np
import pytest

import wengert as wg
from wengert.compile import build, pieces
from wengert.compile.machine import available
from wengert.compile.outline import kind_of
from wengert.compile.pieces import divided
from wengert.evaluate import evaluate

pytestmark = pytest.mark.skipif(not available(), reason="needs llvmlite")

HEAD = "define i32 @body(ptr noalias %inputs, ptr noalias %outputs, ptr noalias %work)"


@pytest.fixture
def short(monkeypatch):
    """Code counts as long from some twenty lines on, and pieces have twelve."""
    monkeypatch.setattr(pieces, "LONG", 20)
    monkeypatch.setattr(pieces, "PIECE", 12)


@pytest.fixture
def many(monkeypatch):
    """Two nests of loops are many, alike or not."""
    monkeypatch.setattr(pieces, "NESTS", 1)
    monkeypatch.setattr(pieces, "MANY", 0)


def compiled(f, *args):
    """The native code of a function, with its text, after its numbers were compared."""
    program = wg.trace(f)(*args)
    native = build(program)
    assert native.callouts == 0
    found, expected = native.run(args), evaluate(program, args)
    for x, y in zip(found, expected, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=1e-12 if x.dtype.itemsize > 4 else 1e-5)
    return native.ir


def calls(ir, kind):
    """How many calls of pieces there are, and of how many functions."""
    names = [line.split("@")[1].split("(")[0] for line in ir.split("\n") if "  call void @" in line]
    names = [name for name in names if f"_{kind}" in name]
    return len(names), len(set(names))


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


# -- straight code ---------------------------------------------------------------------------------


def mixed(x, k, single, flag):
    """Values of five dtypes, each read far from where it is made."""
    reals, whole, singles, flags = [x], [k], [single], [flag]
    for i in range(40):
        reals.append(np.sin(reals[-1]) * reals[-(i % 7) - 1 :][0] + 0.1 * i)
        whole.append(whole[-1] * 3 - whole[-(i % 5) - 1 :][0])
        singles.append(np.cos(singles[-1]) + singles[-(i % 3) - 1 :][0])
        flags.append(np.logical_xor(flags[-(i % 4) - 1 :][0], reals[-1] > 0.3))
    total = sum(np.where(f, r, 1.0) for f, r in zip(flags, reals, strict=True))
    return total, sum(whole), sum(singles), flags[-1], sum(f * 1.0 for f in flags)


def test_values_of_every_dtype_cross_from_piece_to_piece(short):
    ir = compiled(mixed, np.float64(0.4), np.int64(2), np.float32(0.7), np.bool_(True))
    assert calls(ir, "part")[0] > 20


def test_narrow_integers_cross_too(short):
    def f(k, m):
        values = [k, m]
        for i in range(60):
            values.append(np.bitwise_xor(values[-1], values[i // 2]) + np.int16(i % 5))
        return values[-1], sum(values)

    ir = compiled(f, np.int16(3), np.int16(5))
    assert calls(ir, "part")[0] > 3


def elements(z, x):
    """Complex elements are moved into other arrays, among many real operations."""
    reals = [x]
    for i in range(40):
        reals.append(np.sin(reals[-1]) + reals[-(i % 9) - 1 :][0])
    moved = [z[i] for i in (5, 3, 1)]
    for i in range(40):
        reals.append(np.cos(reals[-1]) * reals[-(i % 9) - 1 :][0])
    return np.stack(moved + moved[::-1]), np.concatenate([z[2:4], z[:2]]), sum(reals)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_complex_numbers_cross_whole(short, dtype):
    z = (drawn(1, 6) + 1j * drawn(2, 6)).astype(dtype)
    assert calls(compiled(elements, z, np.float64(0.3)), "part")[0] > 5


@pytest.mark.parametrize(("kind", "size"), [("[16 x i8]", 16), ("i1", 8), ("double", 8)])
def test_each_register_has_bytes_of_its_own_in_the_environment(short, kind, size):
    count = pieces.LONG + 1
    made = [f"  %v{i} = load {kind}, ptr %work, align 8" for i in range(count)]
    used = [f"  store {kind} %v{i}, ptr %work, align 8" for i in range(count)]
    found = divided([*made, *used], [], "body", HEAD)
    line = re.compile(r"  (%oa\d+) = getelementptr i8, ptr %env, i64 (\d+)\n  store")
    places = [int(at) for text in found.straight.values() for _, at in line.findall(text)]
    assert len(places) > count / 2
    assert sorted(places) == list(range(0, size * len(places), size))
    assert found.nbytes == size * len(places)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("load [16 x i8], ptr %v1, align 8", "[16 x i8]"),
        ("load double, ptr %v1, align 8, !llvm.access.group !3", "double"),
        ("fadd reassoc contract double %a, %b", "double"),
        ("add nuw nsw i64 %a, 1", "i64"),
        ("fcmp uno double %a, %b", "i1"),
        ("select i1 %c, float %x, float %y", "float"),
        ("sitofp i64 %a to double", "double"),
        ("zext i1 %a to i8", "i8"),
        ("call double @llvm.fma.f64(double %a, double %b, double %c)", "double"),
        ("fmul <8 x double> %a, %b", "<8 x double>"),
        ("getelementptr inbounds double, ptr %p, i64 2", "ptr"),
        ("fneg float %a", "float"),
    ],
)
def test_the_type_of_a_register_is_read_from_its_line(text, kind):
    assert kind_of(text) == kind


def test_an_unknown_instruction_has_no_type():
    with pytest.raises(ValueError, match="not known"):
        kind_of("extractvalue { i64, i1 } %a, 0")


def test_long_code_is_in_a_module_of_its_own_that_is_not_optimised():
    def f(x):
        values = [x[i] for i in range(5)]
        choices = np.random.default_rng(3).integers(1, 6, (3000, 2)).tolist()
        for i, j in choices:
            values.append(np.sin(values[-i]) - values[-j])
        return sum(values[::100])

    ir = compiled(f, drawn(4, 5))
    assert calls(ir, "part")[0] > 5
    first, second = ir.split("; another module, of level ")
    assert "define void @body_part" not in first
    assert second[0] in "01"


# -- nests of loops --------------------------------------------------------------------------------


def test_equal_loops_are_one_function(many):
    def f(x, y):
        for pattern in (0, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0):
            x = np.sum(np.sin(x)) * x / 50 if pattern else np.cumsum(x) / 50 + y
        return x

    number, functions = calls(compiled(f, drawn(5, 50), drawn(6, 50)), "nest")
    assert number > 2 * functions > 1


def test_loops_that_differ_in_a_constant_are_two(many):
    def f(x, y):
        return np.cumsum(x * 0.5) + np.cumsum(y * 0.25), np.sum(np.exp(x * 0.3)), np.sum(y)

    compiled(f, drawn(7, 40), drawn(8, 40))


def test_sums_leave_their_loops(many):
    """What loops add up is read by straight code, and by later loops."""

    def f(x, y):
        a, b = np.sum(x * y), np.max(x)
        z = np.cumsum(x / (1 + a * a)) * b
        c = np.sum(z) + a
        return np.cumsum(z * c) + b, a * c, np.sum(np.sin(z) * c) + np.min(y * a)

    ir = compiled(f, drawn(9, 70), drawn(10, 70))
    assert calls(ir, "nest")[0] > 2


def test_loops_between_pieces_of_straight_code(short, many):
    def f(x, t):
        for i in range(6):
            for k in range(4):
                t = np.sin(t) / (k + 1.5) + np.cos(t * i) / 9
            x = np.cumsum(x * t) / 10
            t = t + np.sum(x) + np.max(x)
        return x, t

    ir = compiled(f, drawn(11, 30), np.float64(0.2))
    assert calls(ir, "nest")[0] > 2
    assert calls(ir, "part")[0] > 2


def test_gradients_of_divided_code(short, many):
    def f(x):
        u = x
        for i in range(5):
            d = np.zeros_like(u)
            d[1:-1] = u[2:] - 2 * u[1:-1] + u[:-2]
            u = u + 0.1 * d * u if i % 2 else np.tanh(u) + d
        return np.sum(u**2)

    ir = compiled(wg.grad(f), drawn(12, 40))
    assert calls(ir, "nest")[0] > 2


def test_an_index_out_of_bounds_is_noticed_inside_of_divided_code(short, many):
    def f(x, i):
        for _ in range(6):
            x = np.cumsum(np.sin(x)) + x[i]
        return x

    program = wg.trace(f)(drawn(13, 20), np.int64(3))
    with pytest.raises(IndexError):
        build(program).run([drawn(13, 20), np.int64(20)])
    compiled(f, drawn(13, 20), np.int64(3))


def test_what_returns_from_within_a_loop_stays(many):
    """Its way out reads a slot of the loop, so that the two belong together."""
    code = """
  %s1 = alloca i64, align 8
  br label %loop1
loop1:
  %v1 = load i64, ptr %s1
  br i1 %c, label %leave, label %on1
on1:
  br i1 %c, label %loop1, label %end1
end1:
  br label %loop2
loop2:
  br i1 %c, label %loop2, label %end2
end2:
  br label %leave0
leave0:
  ret i32 0
leave:
  %v2 = load i64, ptr %s1
  ret i32 1
""".strip("\n").split("\n")
    found = divided(code, [(1, 7), (8, 11)], "body", "define i32 @body(i1 %c)")
    assert [line for line in found.lines if "call" in line] == ["  call void @body_nest1(i1 %c)"]
    assert found.lines[:8] == code[:8]
    assert found.lines[-6:] == code[-6:]


def test_memory_whose_address_is_kept_outlasts_the_loop(many):
    """Loops with two buffers that change places end with the address of one of them."""

    def f(x, y):
        def step(c, row):
            turned = np.concatenate([c[20:], c[:20]])
            return np.sin(np.cumsum(turned) / 50) + row, np.sum(c)

        last, sums = wg.scan(step, x, y)
        return np.cumsum(last), sums

    ir = compiled(f, drawn(14, 40), drawn(15, 3, 40))
    assert calls(ir, "nest")[0] > 0


def loops(count, body="", note="", head="  %s{i} = alloca i64, align 8"):
    """Loops that differ in their names only, and where they begin and end."""
    slots = [head.format(i=i) for i in range(count)]
    code = [
        line.format(i=i)
        for i in range(count)
        for line in (
            "  br label %loop{i}",
            "loop{i}:",
            "  %v{i} = load i64, ptr %s{i}",
            *([body] if body else []),
            "  br i1 %c, label %loop{i}, label %end{i}" + note,
            "end{i}:",
        )
    ]
    long = len(code) // count
    return [*slots, *code], [(count + long * i, count + long * (i + 1) - 1) for i in range(count)]


def test_a_slot_that_one_function_alone_uses_is_its_own():
    lines, nests = loops(pieces.NESTS + 2)
    found = divided(lines, nests, "body", "define i32 @body(i1 %c)")
    assert found.lines == ["  call void @body_nest1(i1 %c)"] * len(nests)
    assert [text.count("alloca") for text in found.nests] == [1]


def test_a_slot_whose_address_is_kept_outlasts_the_function():
    lines, nests = loops(pieces.NESTS + 2, "  store ptr %s{i}, ptr %p, align 8")
    found = divided(lines, nests, "body", "define i32 @body(i1 %c, ptr %p)")
    assert [line for line in found.lines if "alloca" in line] == lines[: len(nests)]
    assert "alloca" not in found.nests[0]
    assert "  call void @body_nest1(ptr %s3, ptr %p, i1 %c)" in found.lines


@pytest.mark.parametrize("alike", [True, False])
def test_loops_are_alike_if_what_llvm_is_told_of_them_is(alike):
    lines, nests = loops(pieces.NESTS + 2, note=", !llvm.loop !{i}")
    rest = ["!9", *["!9" if alike else "!8"] * (len(nests) - 1)]
    nodes = [f"distinct !{{!{i}, {other}}}" for i, other in enumerate(rest)]
    nodes += ['!{!"a"}', '!{!"b"}']
    found = divided(lines, nests, "body", "define i32 @body(i1 %c)", nodes)
    assert len(nodes) == 10
    assert len(found.nests) == (1 if alike else 2)
