"""Every example in README.md and docs/ runs, and prints what the page says it prints.

How a page is written, so that nothing in it goes unchecked:

- ```` ```python ```` blocks run in order and share their names, page by page. A block that starts
  with ``# model.py`` is also saved under that name. A ```` ```text ```` block that follows, with
  nothing but blank lines between, is the output: what was printed, or the last line of the
  traceback if the block raises. A block of ``>>>`` examples carries its output itself.
- ```` ```sh ```` and ```` ```console ```` blocks hold commands (in ``console`` after ``$ ``, with
  their output below; for ``sh`` a ``text`` block that follows is the output). ``wengert`` is run;
  ``make`` and ``pip`` must name targets and extras that there are; ``git`` and ``cd`` are taken as
  they are; nothing else is known here, and so fails.
- Outputs are compared up to white space, with ``...`` for anything; numbers with a decimal point
  may differ in their last bits, as they do between platforms.
- A block of another language is neither run nor compared, and has to be in ``NOT_RUN``.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import math
import os
import re
import shlex
import subprocess
import sys
import tomllib
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOT_RUN = ("", "text", "bibtex", "json", "latex", "mermaid", "toml")
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+\.(?!\.)\d*(?:e[-+]?\d+)?", re.I)


@dataclass
class Block:
    """A fenced block: ``line`` is that of its first line, ``gap`` the prose in front of it."""

    language: str
    text: str
    line: int
    gap: str


def blocks_of(page: str) -> list[Block]:
    found: list[Block] = []
    end = 0
    for match in re.finditer(r"^( *)```([^\n`]*)\n(.*?)^\1``` *$", page, re.M | re.S):
        indent, language, text = match.groups()
        text = re.sub(f"^{indent}", "", text, flags=re.M)
        line = page.count("\n", 0, match.start()) + 2
        found.append(Block(language.strip(), text, line, page[end : match.start()]))
        end = match.end()
    return found


def output_of(blocks: list[Block], place: int) -> str | None:
    """The ``text`` block that belongs to the block at ``place``, if there is one."""
    after = blocks[place + 1] if place + 1 < len(blocks) else None
    belongs = after is not None and after.language == "text" and not after.gap.strip()
    return after.text if after is not None and belongs else None


def agree(want: str, got: str) -> bool:
    """Whether ``got`` is ``want`` up to white space, ``...`` and the last bits of its numbers."""
    shown = NUMBER.findall(want)
    pattern = ""
    for part in re.split(rf"(\s*\.\.\.\s*|\s+|{NUMBER.pattern})", want.strip(), flags=re.I):
        if NUMBER.fullmatch(part):
            pattern += r"([-+]?\d+\.?\d*(?:e[-+]?\d+)?)"
        elif part.strip() == "...":
            pattern += r".*?"
        else:
            pattern += re.escape(part) if part.strip() or not part else r"\s+"
    match = re.fullmatch(pattern, got.strip(), re.S | re.I)
    return match is not None and all(map(close, shown, match.groups()))


def close(shown: str, number: str) -> bool:
    """Equal, or as far apart as two platforms may be, or as the rounding of a long decimal.

    Two zeros have the same sign: a page shows -0.0 where it is printed.
    """
    if float(shown) == float(number) == 0.0:
        return shown.startswith("-") == number.startswith("-")
    mantissa, _, exponent = shown.lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    rounding = 10.0 ** (int(exponent or 0) - digits) if digits >= 4 else 0.0
    return math.isclose(float(shown), float(number), rel_tol=1e-9, abs_tol=max(1e-12, rounding))


def assert_output(want: str, got: str, where: str) -> None:
    assert agree(want, got), f"{where}\nthe page says:\n{want}\nbut this came:\n{got}"


# -- Python ----------------------------------------------------------------------------------------


def printed_by(block: Block, path: Path, names: dict[str, Any], may_raise: bool) -> str:
    """What the block prints; line numbers in tracebacks are those of the page."""
    code = compile("\n" * (block.line - 1) + block.text, str(path), "exec")
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        try:
            exec(code, names)
        except Exception as error:
            if not may_raise:
                raise
            stream.write("".join(traceback.format_exception_only(error)))
    return stream.getvalue()


def run_python(block: Block, want: str | None, path: Path, names: dict[str, Any]) -> None:
    if named := re.match(r"# (\w+\.py)\n", block.text):
        Path(named[1]).write_text(block.text, encoding="utf-8")
    if block.text.lstrip().startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(
            block.text, names, path.name, str(path), block.line - 1
        )
        report = io.StringIO()
        runner = doctest.DocTestRunner(_Checker(), verbose=False)
        runner.run(test, out=report.write, clear_globs=False)
        names.update(test.globs)
        assert not runner.failures, report.getvalue()
        return
    got = printed_by(block, path, names, may_raise=want is not None)
    if want is not None:
        assert_output(want, got, f"{path.name}:{block.line}")


class _Checker(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return agree(want, got)


# -- the shell -------------------------------------------------------------------------------------


def commands_of(block: Block, following: str | None) -> Iterator[tuple[str, str | None]]:
    """Commands and what each is said to print, or None where the page does not say."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        assert text.startswith("$ "), f"line {block.line}: a console block starts with '$ '"
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown or following
        return
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        yield line, following if line is lines[-1] else None


def run_wengert(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    source = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    settings = {
        "PYTHONPATH": source,
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONUTF8": "1",
        "MPLBACKEND": "Agg",
    }
    return subprocess.run(
        [sys.executable, "-m", "wengert", *arguments],
        env=os.environ | settings,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def targets_of_the_makefile() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def extras_of_the_package() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def check_command(command: str, want: str | None, where: str) -> None:
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        del words[0]
    if words[:2] == ["python", "-m"]:
        del words[:2]
    program, arguments = Path(words[0]).name, words[1:]
    if program == "wengert":
        if arguments[:1] == ["demo"]:  # a minute of training: tests/demo runs it
            arguments, want = ["demo", "--help"], None
        done = run_wengert(arguments)
        assert "Traceback" not in done.stderr, f"{where}: {command}\n{done.stderr}"
        if want is None:
            assert done.returncode == 0, f"{where}: {command}\n{done.stdout}{done.stderr}"
        else:
            assert_output(want, done.stdout + done.stderr, f"{where}: {command}")
    elif program == "make":
        named = {word for word in arguments if "=" not in word}
        assert named <= targets_of_the_makefile(), f"{where}: {command}"
    elif program == "pip":
        assert arguments[0] == "install", f"{where}: {command}"
        found = re.findall(r"\[([\w,]+)\]", " ".join(arguments))
        assert {e for group in found for e in group.split(",")} <= extras_of_the_package(), where
    else:
        assert program in ("cd", "git"), f"{where}: nobody checks the command {program!r}"


# -- the tests -------------------------------------------------------------------------------------


def check_page(path: Path) -> None:
    """Run and compare every block of a page, in the current directory."""
    blocks = blocks_of(path.read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "__main__"}
    for place, block in enumerate(blocks):
        want = output_of(blocks, place)
        where = f"{path.name}:{block.line}"
        if block.language == "python":
            run_python(block, want, path, names)
        elif block.language in ("console", "sh"):
            for command, shown in commands_of(block, want):
                check_command(command, shown, where)
        else:
            assert block.language in NOT_RUN, f"{where}: nobody checks {block.language!r}"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_block_of_the_page_does_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_page(page)


def test_the_readme_shows_the_two_commands_and_python_with_its_output():
    blocks = blocks_of((ROOT / "README.md").read_text(encoding="utf-8"))
    shell = "".join(block.text for block in blocks if block.language in ("console", "sh"))
    assert "make demo" in shell
    assert "make test" in shell
    assert any(
        block.language == "python" and (output_of(blocks, place) or ">>> " in block.text)
        for place, block in enumerate(blocks)
    )


# -- the check itself, on small made-up pages ------------------------------------------------------

F = "```"


@pytest.fixture
def check(tmp_path, monkeypatch):
    def checked(text):
        monkeypatch.chdir(tmp_path)
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        check_page(page)

    return checked


def python(code: str, *output: str) -> str:
    return f"{F}python\n{code}\n{F}\n" + "".join(f"\n{F}text\n{o}\n{F}\n" for o in output)


def shell(commands: str, language: str = "sh") -> str:
    return f"{F}{language}\n{commands}\n{F}\n"


TRUE = {
    "names are shared by the blocks": python("x = 2") + "then\n" + python("print(x + 1)", "3"),
    "the last bits of a number": python("print(2 / 3)", "0.666666666666667"),
    "white space, and a number that is almost zero": python("print([1e-17, 1.5])", "[0.0,\n 1.5]"),
    "the sign of a zero": python("print([-0.0, 1.5])", "[-0.0, 1.5]"),
    "anything": python("print('took', 1.5, 'ms')", "took ... ms"),
    "an error": python("1 / 0", "ZeroDivisionError: division by zero"),
    "examples": python(">>> y = 4\n>>> y\n4") + python("assert y == 4"),
    "a file": python("# model.py\na = 7") + python("import os\nos.stat('model.py')"),
    "a block in a list": "- so\n\n  ```python\n  if True:\n      print(3)\n  ```\n"
    "\n  ```text\n  3\n  ```\n",
    "commands": shell("git clone somewhere\ncd there\nmake demo   # first\nWORKERS=2 make test"),
    "an installation": shell('$ pip install "wengert[plot,demo]"', "console"),
    "a picture": f"{F}text\na -> b\n{F}\n",
}

FALSE = {
    "another number": python("print(3)", "4"),
    "a zero without its sign": python("print([-0.0, 1.5])", "[0.0, 1.5]"),
    "another rounding": python("print(2 / 3)", "0.6669"),
    "a number too many": python("print(1.0)", "1.0 2.0"),
    "a number that is not whole": python("print(1.4)", "1."),
    "a missing space": python("print('a b')", "ab"),
    "an output that is not there": python("x = 1", "1"),
    "a wrong example": python(">>> 2 + 2\n5"),
    "no Python": python("    x = 1\n  y = 2"),
    "an error that is not shown": python("1 / 0"),
    "an error shown as a number": python("1 / 0", "0"),
    "no such target": shell("make coffee"),
    "no such extra": shell("pip install wengert[coffee]"),
    "a command that nobody checks": shell("curl somewhere"),
    "a command without a prompt": shell("make test", "console"),
    "a language that nobody checks": f"{F}py\nprint(3)\n{F}\n",
}


@pytest.mark.parametrize("page", TRUE.values(), ids=TRUE)
def test_a_page_that_tells_the_truth_passes(check, page):
    check(page)


@pytest.mark.parametrize("page", FALSE.values(), ids=FALSE)
def test_a_page_that_does_not_fails(check, page):
    with pytest.raises((AssertionError, SyntaxError, ZeroDivisionError)):
        check(page)


def test_the_command_is_run_and_its_output_compared(check):
    check(f"{F}console\n$ wengert --help\n...wengert...\n{F}\n")
    with pytest.raises(AssertionError):
        check(f"{F}console\n$ wengert --help\nsomething else\n{F}\n")
    with pytest.raises(AssertionError):
        check(f"{F}sh\nwengert no-such-command\n{F}\n")
