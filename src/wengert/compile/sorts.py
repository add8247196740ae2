"""The text of functions that sort whole numbers, in LLVM's representation.

Floats and other dtypes are sorted as signed whole numbers of 32 or 64 bits (``sorting`` makes them
so), with or without the places that they come from. All of it is stable, without branches that
depend on the numbers:

``ranks``    sorts a few numbers: each goes to the place that is the number of those before it,
             which are counted on vectors.
``merge``    merges neighbouring runs, from both ends at once: as long as both runs are of one
             length, no end of a run is met.
``radix``    distributes by eleven bits at a time, from the last to the first, numbers that are to
             be compared as unsigned.

D. E. Knuth, "The Art of Computer Programming", volume 3, sections 5.2 (comparison counting), 5.2.4
and 5.2.5.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["BLOCK", "DIGITS", "lanes", "merge", "passes", "radix", "ranks"]

BLOCK = 32
"""Numbers that ``ranks`` sorts at most."""

BITS = 11
DIGITS = 1 << BITS
"""Counters that ``radix`` needs for each pass, of 32 bits."""


def lanes(kind: str) -> int:
    """Numbers in a vector of 64 bytes."""
    return 512 // int(kind[1:])


def passes(kind: str) -> int:
    """How often ``radix`` goes over all numbers."""
    return -(-int(kind[1:]) // BITS)


def ranks(kind: str, size: int, places: bool) -> tuple[str, str]:
    """Name and text of a function that sorts ``size`` numbers, a multiple of ``lanes(kind)``.

    It takes pointers to them, to where they go, and to where their places go, and the first place.
    """
    name = f"wengert_ranks_{kind}_{size}{'_places' if places else ''}"
    width = lanes(kind)
    count = size // width
    vector = f"<{width} x {kind}>"
    step = int(kind[1:]) // 8
    lines = [
        f"define internal void @{name}(ptr %from, ptr %to, ptr %places, i32 %first) #0 {{",
        "entry:",
        f"  %ranks = alloca [{size} x {kind}], align 64",
    ]
    for w in range(count):
        lines.append(f"  %p{w} = getelementptr {kind}, ptr %from, i64 {w * width}")
        lines.append(f"  %v{w} = load {vector}, ptr %p{w}, align {step}")
    counts = ["zeroinitializer"] * count
    for j in range(size):
        lines += [
            f"  %one{j} = extractelement {vector} %v{j // width}, i64 {j % width}",
            f"  %in{j} = insertelement {vector} poison, {kind} %one{j}, i64 0",
            f"  %all{j} = shufflevector {vector} %in{j}, {vector} poison, "
            f"<{width} x i32> zeroinitializer",
        ]
        for w in range(count):
            lines += _comparison(j, w, width, vector)
            lines.append(f"  %w{j}_{w} = sext <{width} x i1> %c{j}_{w} to {vector}")
            lines.append(f"  %n{j}_{w} = sub {vector} {counts[w]}, %w{j}_{w}")
            counts[w] = f"%n{j}_{w}"
    for w in range(count):
        lines.append(f"  %r{w} = getelementptr {kind}, ptr %ranks, i64 {w * width}")
        lines.append(f"  store {vector} {counts[w]}, ptr %r{w}, align 64")
    lines += _scattered(kind, size, places)
    return name, "\n".join(lines)


def _comparison(j: int, w: int, width: int, vector: str) -> list[str]:
    """``%c``: whether number j goes before each one in vector w; equal ones stay in their order."""
    if w != j // width:
        how = "sge" if w > j // width else "sgt"
        return [f"  %c{j}_{w} = icmp {how} {vector} %v{w}, %all{j}"]
    bits = ", ".join(f"i1 {str(i > j % width).lower()}" for i in range(width))
    return [
        f"  %g{j} = icmp sgt {vector} %v{w}, %all{j}",
        f"  %e{j} = icmp eq {vector} %v{w}, %all{j}",
        f"  %f{j} = and <{width} x i1> %e{j}, <{bits}>",
        f"  %c{j}_{w} = or <{width} x i1> %g{j}, %f{j}",
    ]


def _scattered(kind: str, size: int, places: bool) -> list[str]:
    """Every number, and its place, to where its rank says."""
    lines = [
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]",
        f"  %at = getelementptr {kind}, ptr %ranks, i64 %i",
        f"  %short = load {kind}, ptr %at",
        *(
            ["  %rank = add i64 %short, 0"]
            if kind == "i64"
            else [f"  %rank = zext {kind} %short to i64"]
        ),
        f"  %source = getelementptr {kind}, ptr %from, i64 %i",
        f"  %number = load {kind}, ptr %source",
        f"  %target = getelementptr {kind}, ptr %to, i64 %rank",
        f"  store {kind} %number, ptr %target",
    ]
    if places:
        lines += [
            "  %short_i = trunc i64 %i to i32",
            "  %place = add i32 %first, %short_i",
            "  %there = getelementptr i32, ptr %places, i64 %rank",
            "  store i32 %place, ptr %there",
        ]
    return [
        *lines,
        "  %next = add i64 %i, 1",
        f"  %more = icmp ult i64 %next, {size}",
        "  br i1 %more, label %loop, label %end",
        "end:",
        "  ret void",
        "}",
    ]


def _moved(kind: str, places: bool, tag: str, number: str, source: str, target: str) -> list[str]:
    """Write a number, and the place that goes with it from ``source``, to ``target``."""
    lines = [
        f"  %{tag}_to = getelementptr {kind}, ptr %to, i64 {target}",
        f"  store {kind} {number}, ptr %{tag}_to",
    ]
    if places:
        lines += [
            f"  %{tag}_p = getelementptr i32, ptr %from_places, i64 {source}",
            f"  %{tag}_n = load i32, ptr %{tag}_p",
            f"  %{tag}_q = getelementptr i32, ptr %to_places, i64 {target}",
            f"  store i32 %{tag}_n, ptr %{tag}_q",
        ]
    return lines


def _read(kind: str, name: str, place: str) -> list[str]:
    return [
        f"  %{name}_at = getelementptr {kind}, ptr %from, i64 {place}",
        f"  %{name} = load {kind}, ptr %{name}_at",
    ]


def merge(kind: str, places: bool) -> tuple[str, str]:
    """Name and text of a function that merges runs of ``%width`` numbers, two by two.

    It takes pointers to the numbers and their places, and to where they go, how many there are, and
    the length of the runs; the last run may be shorter, or have no partner.
    """
    name = f"wengert_merge_{kind}{'_places' if places else ''}"
    head = (
        f"define internal void @{name}(ptr noalias %from, ptr noalias %from_places, "
        "ptr noalias %to, ptr noalias %to_places, i64 %count, i64 %width) #0 {"
    )
    return name, "\n".join(
        [
            head,
            "entry:",
            "  br label %pair",
            "pair:",
            "  %low = phi i64 [ 0, %entry ], [ %high, %both ], [ %high, %rest ]",
            "  %middle = add i64 %low, %width",
            "  %high = add i64 %middle, %width",
            "  %ended = icmp uge i64 %low, %count",
            "  br i1 %ended, label %end, label %which",
            "which:",
            "  %whole = icmp ule i64 %high, %count",
            "  %last = sub i64 %high, 1",
            "  %left = sub i64 %middle, 1",
            "  br i1 %whole, label %both, label %rest",
            *_both_ends(kind, places),
            *_to_the_end(kind, places),
            "end:",
            "  ret void",
            "}",
        ]
    )


def _both_ends(kind: str, places: bool) -> list[str]:
    """One step puts the smallest number to the front and the greatest to the back."""
    return [
        "both:",
        "  %l = phi i64 [ %low, %which ], [ %l2, %both ]",
        "  %r = phi i64 [ %middle, %which ], [ %r2, %both ]",
        "  %o = phi i64 [ %low, %which ], [ %o2, %both ]",
        "  %m = phi i64 [ %left, %which ], [ %m2, %both ]",
        "  %s = phi i64 [ %last, %which ], [ %s2, %both ]",
        "  %t = phi i64 [ %last, %which ], [ %t2, %both ]",
        *_read(kind, "a", "%l"),
        *_read(kind, "b", "%r"),
        f"  %second = icmp slt {kind} %b, %a",
        f"  %x = select i1 %second, {kind} %b, {kind} %a",
        "  %x_from = select i1 %second, i64 %r, i64 %l",
        *_moved(kind, places, "x", "%x", "%x_from", "%o"),
        "  %one = zext i1 %second to i64",
        "  %r2 = add i64 %r, %one",
        "  %o2 = add i64 %o, 1",
        "  %l3 = sub i64 %l, %one",
        "  %l2 = add i64 %l3, 1",
        *_read(kind, "c", "%m"),
        *_read(kind, "d", "%s"),
        f"  %first = icmp slt {kind} %d, %c",
        f"  %y = select i1 %first, {kind} %c, {kind} %d",
        "  %y_from = select i1 %first, i64 %m, i64 %s",
        *_moved(kind, places, "y", "%y", "%y_from", "%t"),
        "  %other = zext i1 %first to i64",
        "  %m2 = sub i64 %m, %other",
        "  %t2 = sub i64 %t, 1",
        "  %s3 = add i64 %s, %other",
        "  %s2 = sub i64 %s3, 1",
        "  %going = icmp ult i64 %o2, %middle",
        "  br i1 %going, label %both, label %pair",
    ]


def _to_the_end(kind: str, places: bool) -> list[str]:
    """The last runs, of which the second is shorter, or not there."""
    return [
        "rest:",
        "  %e = phi i64 [ %low, %which ], [ %e2, %rest ]",
        "  %f = phi i64 [ %middle, %which ], [ %f2, %rest ]",
        "  %g = phi i64 [ %low, %which ], [ %g2, %rest ]",
        "  %e_in = icmp ult i64 %e, %middle",
        "  %f_in = icmp ult i64 %f, %count",
        "  %e_safe = select i1 %e_in, i64 %e, i64 %low",
        "  %f_safe = select i1 %f_in, i64 %f, i64 %low",
        *_read(kind, "h", "%e_safe"),
        *_read(kind, "k", "%f_safe"),
        f"  %less = icmp slt {kind} %k, %h",
        "  %e_out = xor i1 %e_in, true",
        "  %wins = or i1 %less, %e_out",
        "  %takes = and i1 %f_in, %wins",
        f"  %z = select i1 %takes, {kind} %k, {kind} %h",
        "  %z_from = select i1 %takes, i64 %f, i64 %e",
        *_moved(kind, places, "z", "%z", "%z_from", "%g"),
        "  %right = zext i1 %takes to i64",
        "  %f2 = add i64 %f, %right",
        "  %e3 = sub i64 %e, %right",
        "  %e2 = add i64 %e3, 1",
        "  %g2 = add i64 %g, 1",
        "  %on = icmp ult i64 %g2, %count",
        "  br i1 %on, label %rest, label %pair",
    ]


def radix(kind: str, places: bool) -> tuple[str, str]:
    """Name and text of a function that sorts numbers by comparing them as unsigned.

    It takes pointers to them and their places, to as much memory again, how many there are, and
    memory for ``DIGITS * passes(kind)`` counters of 32 bits. It gives whether (i1) the result is in
    the other memory. A pass in which all numbers have the same digit is left out.
    """
    name = f"wengert_radix_{kind}{'_places' if places else ''}"
    digits = range(passes(kind))
    size = DIGITS * len(digits)
    lines = [
        f"define internal i1 @{name}(ptr %a, ptr %a_places, ptr %b, ptr %b_places, "
        "i64 %count, ptr %counts) #0 {",
        "entry:",
        f"  call void @llvm.memset.p0.i64(ptr %counts, i8 0, i64 {4 * size}, i1 false)",
        f"  %some = load {kind}, ptr %a",
        "  br label %look",
        "look:",
        "  %i = phi i64 [ 0, %entry ], [ %i2, %look ]",
        f"  %k_at = getelementptr {kind}, ptr %a, i64 %i",
        f"  %k = load {kind}, ptr %k_at",
    ]
    for d in digits:
        lines += _digit(kind, f"k{d}", "%k", str(BITS * d))
        lines += [
            f"  %c{d} = getelementptr i32, ptr %counts, i64 {DIGITS * d}",
            f"  %d{d} = getelementptr i32, ptr %c{d}, i64 %k{d}",
            f"  %e{d} = load i32, ptr %d{d}",
            f"  %f{d} = add i32 %e{d}, 1",
            f"  store i32 %f{d}, ptr %d{d}",
        ]
    lines += [
        "  %i2 = add i64 %i, 1",
        "  %looking = icmp ult i64 %i2, %count",
        "  br i1 %looking, label %look, label %pass",
        *_distribution(kind, places, len(digits)),
        "}",
    ]
    return name, "\n".join(lines)


def _digit(kind: str, name: str, number: str, shift: str) -> Sequence[str]:
    """The digit of a number that begins at a bit, as an i64."""
    lines = [
        f"  %{name}_s = lshr {kind} {number}, {shift}",
        f"  %{name}{'' if kind == 'i64' else '_m'} = and {kind} %{name}_s, {DIGITS - 1}",
    ]
    return lines if kind == "i64" else [*lines, f"  %{name} = zext {kind} %{name}_m to i64"]


def _distribution(kind: str, places: bool, count: int) -> list[str]:
    """The passes: the counters become the places where the next number of each digit goes."""
    cast = "add i64 %shift, 0" if kind == "i64" else f"trunc i64 %shift to {kind}"
    moved = [
        "  %from_p = getelementptr i32, ptr %from_places, i64 %j",
        "  %place = load i32, ptr %from_p",
        "  %to_p = getelementptr i32, ptr %to_places, i64 %where",
        "  store i32 %place, ptr %to_p",
    ]
    return [
        "pass:",
        "  %p = phi i64 [ 0, %look ], [ %p2, %after ]",
        "  %from = phi ptr [ %a, %look ], [ %from2, %after ]",
        "  %from_places = phi ptr [ %a_places, %look ], [ %from_places2, %after ]",
        "  %to = phi ptr [ %b, %look ], [ %to2, %after ]",
        "  %to_places = phi ptr [ %b_places, %look ], [ %to_places2, %after ]",
        f"  %base = mul i64 %p, {DIGITS}",
        "  %counters = getelementptr i32, ptr %counts, i64 %base",
        f"  %shift = mul i64 %p, {BITS}",
        f"  %by = {cast}",
        *_digit(kind, "same", "%some", "%by"),
        "  %same_at = getelementptr i32, ptr %counters, i64 %same",
        "  %those = load i32, ptr %same_at",
        "  %those_i = zext i32 %those to i64",
        "  %idle = icmp eq i64 %those_i, %count",
        "  br i1 %idle, label %after, label %sum",
        "sum:",
        "  %q = phi i64 [ 0, %pass ], [ %q2, %sum ]",
        "  %total = phi i32 [ 0, %pass ], [ %total2, %sum ]",
        "  %q_at = getelementptr i32, ptr %counters, i64 %q",
        "  %many = load i32, ptr %q_at",
        "  store i32 %total, ptr %q_at",
        "  %total2 = add i32 %total, %many",
        "  %q2 = add i64 %q, 1",
        f"  %summing = icmp ult i64 %q2, {DIGITS}",
        "  br i1 %summing, label %sum, label %move",
        "move:",
        "  %j = phi i64 [ 0, %sum ], [ %j2, %move ]",
        f"  %x_at = getelementptr {kind}, ptr %from, i64 %j",
        f"  %x = load {kind}, ptr %x_at",
        *_digit(kind, "z", "%x", "%by"),
        "  %z_at = getelementptr i32, ptr %counters, i64 %z",
        "  %where_s = load i32, ptr %z_at",
        "  %where_n = add i32 %where_s, 1",
        "  store i32 %where_n, ptr %z_at",
        "  %where = zext i32 %where_s to i64",
        f"  %y_at = getelementptr {kind}, ptr %to, i64 %where",
        f"  store {kind} %x, ptr %y_at",
        *(moved if places else []),
        "  %j2 = add i64 %j, 1",
        "  %moving = icmp ult i64 %j2, %count",
        "  br i1 %moving, label %move, label %after",
        "after:",
        "  %from2 = phi ptr [ %from, %pass ], [ %to, %move ]",
        "  %from_places2 = phi ptr [ %from_places, %pass ], [ %to_places, %move ]",
        "  %to2 = phi ptr [ %to, %pass ], [ %from, %move ]",
        "  %to_places2 = phi ptr [ %to_places, %pass ], [ %from_places, %move ]",
        "  %p2 = add i64 %p, 1",
        f"  %passing = icmp ult i64 %p2, {count}",
        "  br i1 %passing, label %pass, label %end",
        "end:",
        "  %moved = icmp ne ptr %from2, %a",
        "  ret i1 %moved",
    ]
