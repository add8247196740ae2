"""The command ``wengert``."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import os
import re
import shutil
import sys
import textwrap
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from .calls import signature_of
from .derivatives import grad
from .errors import ExpressionError, WengertError
from .explain import Compilation, Explanation, explain
from .explain.expression import CONSTANTS, FUNCTIONS, parse

__all__ = ["main"]

EXAMPLES = """\
examples:
  wengert explain "x*y + sin(x)" x=1 y=2
  wengert explain "x*y + sin(x)" x=1 y=2 --along x=2,y=-1
  wengert explain "sum(sqrt(x))" x=1,4,9 --mode reverse
  wengert explain model.py:loss --args data.npz
"""

EXPLAIN = f"""\
{EXAMPLES}
A value is a number, or an array: numbers with commas between them (x=1,2,3;
x=1, has one element). An expression holds numbers, names that are given a
value, + - * / **, comparisons, the constants {" and ".join(CONSTANTS)}, and the functions
{textwrap.fill(", ".join(FUNCTIONS), 76, initial_indent="  ", subsequent_indent="  ")}.
It is parsed, and never run as Python.

model.py:loss is the function loss in that file. Its arguments are the arrays of
data.npz that have the names of its parameters, or else arr_0, arr_1, ... by
position, and the values given by name. Integer arrays are data without
derivatives.

exit status: 0 done; 1 the function failed; 2 the command could not be read.
Colours are used in a terminal only, and not if NO_COLOR is set.
"""

INSPECT = """\
examples:
  wengert inspect model.py:loss --args data.npz
  wengert inspect model.py:loss --args data.npz --grad --llvm
  wengert inspect "x*y + sin(x)" x=1 y=2 --assembly

The function, its arguments and the values are given as in wengert explain. What
is shown is compiled for arguments of these shapes and dtypes, and for the
branches that they take.

Forms of which several are asked for are printed in the order of this list.

exit status: 0 done; 1 the function failed, or there is no code to show;
2 the command could not be read.
"""


class UsageError(Exception):
    """The command cannot be carried out as it was written."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help says more)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (those of the process) and return its exit status."""
    try:
        parser = _parser()
        arguments, others = parser.parse_known_args(
            _protected(sys.argv[1:] if argv is None else argv)
        )
        values: list[str] | None = getattr(arguments, "values", None)
        if others and (values is None or any(re.match(r"-|[^=]*$", text) for text in others)):
            parser.error(f"cannot make anything of {' '.join(others)}")
        if values is not None:
            values += others
        return arguments.run(arguments)
    except UsageError as error:
        return _failed(str(error), 2)
    except ExpressionError as error:
        return _failed(_message(error), 2)
    except WengertError as error:
        return _failed(_message(error), 1)
    except BrokenPipeError:
        # The reader (head, less) has seen enough: nothing more may be written on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _failed("interrupted", 130)


def _failed(message: str, status: int) -> int:
    """Say in one line what went wrong."""
    print(f"wengert: {' '.join(message.split())}", file=sys.stderr)
    return status


def _message(error: Exception) -> str:
    """The message of an error without the line of code, which is not the user's here."""
    line = getattr(error, "line", None)
    lines = [part.strip() for part in str(error).splitlines()]
    text = " ".join(part for part in lines if part and part != line)
    return text.replace(" Write instead:", ". Write instead:")


def _protected(argv: Sequence[str]) -> list[str]:
    """The arguments with a space before an expression that starts with a minus."""
    return [f" {a}" if re.match(r"-(?!-|h$)(?=.)", a) else a for a in argv]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wengert",
        description="Exact derivatives of NumPy programs, and how they come about.",
        epilog=f"{EXAMPLES}  wengert inspect model.py:loss --args data.npz\n  wengert demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wengert {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_explain(commands)
    _add_inspect(commands)
    _add_demo(commands)
    return parser


def _version() -> str:
    return importlib.import_module("wengert").__version__


# -- what explain and inspect are asked about ------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """A function with the values of its arguments by name; ``path`` is its file, if it has one."""

    function: Callable[..., Any]
    args: Mapping[str, Any]
    path: Path | None

    def shown(self, run: Callable[[], Any]) -> Any:
        """The result; None if the function met an error of ours, which is shown with its line.

        Whatever is wrong with an expression is wrong with the command.
        """
        if self.path is None:
            try:
                with np.errstate(all="ignore"):
                    return run()
            except (WengertError, ValueError, TypeError, ArithmeticError) as error:
                raise UsageError(_message(error)) from error
        try:
            return run()
        except WengertError as error:
            if error.line is None or not error.line.startswith(f"{self.path.name}:"):
                raise
            print(f"wengert: {error}", file=sys.stderr)
            return None


def _add_asking(commands: Any, name: str, **texts: str) -> Any:
    """A command that is given an expression, or a function in a file, with values."""
    sub = commands.add_parser(
        name, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **texts
    )
    sub.add_argument("function", help="an expression, or FILE.py:NAME")
    sub.add_argument("values", nargs="*", metavar="NAME=VALUE", help="the value of a variable")
    sub.add_argument("--args", metavar="FILE.npz", help="arrays for the arguments of a function")
    return sub


def _asked(arguments: argparse.Namespace) -> _Asked:
    """What the command line names; a file is run."""
    values = _assignments(arguments.values)
    if file := _file(arguments.function):
        path, name = file
        function = _load(path, name)
        return _Asked(function, _arguments(function, name, values, arguments.args), path)
    if arguments.args is not None:
        raise UsageError("--args is for a function in a file, such as model.py:loss")
    expression = parse(arguments.function, list(values))
    if unused := [name for name in values if name not in expression.steps]:
        raise UsageError(f"{unused[0]} is given a value, and the expression does not contain it")
    return _Asked(expression, values, None)


# -- explain ---------------------------------------------------------------------------------------


def _add_explain(commands: Any) -> None:
    sub = _add_asking(
        commands,
        "explain",
        help="show every intermediate value with its tangent and its adjoint",
        description="The evaluation list of an expression, or of a function in a file.",
        epilog=EXPLAIN,
    )
    sub.add_argument("--along", metavar="NAME=VALUE,...", help="the direction of the forward sweep")
    sub.add_argument("--mode", choices=["forward", "reverse"], help="one of the two sweeps alone")
    sub.add_argument("--digits", type=int, default=6, help="significant digits (17 for all)")
    sub.add_argument("--graph", metavar="FILE", help="draw the computation graph into a file too")
    sub.set_defaults(run=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    given = None if arguments.along is None else _assignments(_split(arguments.along))
    if not 1 <= arguments.digits <= 17:
        raise UsageError("--digits is a number from 1 to 17")
    asked = _asked(arguments)
    along = _along(given, asked.args)
    found: Explanation | None = asked.shown(
        lambda: explain(asked.function, *asked.args.values(), along=along, mode=arguments.mode)
    )
    if found is None:
        return 1
    _show(found, arguments.digits)
    if arguments.graph is not None:
        _draw(found, arguments.graph)
    return 0


def _show(explanation: Explanation, digits: int) -> None:
    """In colours in a terminal that wants them, else as plain text in what it can encode."""
    if _in_colours():
        from .explain.terminal import renderable

        _print_in_colours(renderable(explanation, digits))
        return
    width = _width()
    text = explanation.text(width, digits)
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = explanation.text(width, digits, ascii=True)
    _print(text)


def _in_colours() -> bool:
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return wanted and os.environ.get("TERM") != "dumb"


def _print_in_colours(renderable: Any) -> None:
    from rich.console import Console

    Console(highlight=False).print(renderable)


def _width() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def _print(text: str) -> None:
    """Print what the terminal can encode."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _draw(explanation: Explanation, target: str) -> None:
    from .explain import draw_graph

    try:
        draw_graph(explanation, target)
    except (OSError, ValueError, WengertError) as error:
        raise UsageError(f"cannot draw into {target}: {_message(error)}") from error


# -- inspect ---------------------------------------------------------------------------------------

_PARTS = {
    "compiled": "which equations share a loop, call BLAS, or are called out (the default)",
    "program": "the Program, as it was compiled",
    "llvm": "the code in LLVM's representation",
    "optimised": "the same, as LLVM optimised it",
    "assembly": "the machine code",
}


def _add_inspect(commands: Any) -> None:
    sub = _add_asking(
        commands,
        "inspect",
        help="show what the compiler makes of a function",
        description="What wg.jit compiles for an expression, or for a function in a file.",
        epilog=INSPECT,
    )
    sub.add_argument("--grad", action="store_true", help="the gradient by the first argument")
    for name, what in _PARTS.items():
        sub.add_argument(f"--{name}", action="append_const", dest="parts", const=name, help=what)
    sub.set_defaults(run=_inspect)


def _inspect(arguments: argparse.Namespace) -> int:
    parts = [name for name in _PARTS if name in (arguments.parts or ["compiled"])]
    asked = _asked(arguments)
    function = asked.function
    if arguments.grad:
        if asked.path is None and not asked.args:
            raise UsageError("--grad needs a variable to differentiate by")
        function = grad(function)
    found: Compilation | None = asked.shown(
        lambda: explain(function, *asked.args.values(), compiled=True)
    )
    if found is None:
        return 1
    if arguments.grad:
        found = replace(found, title=f"gradient of {found.title}")
    for number, part in enumerate(parts):
        if number:
            print()
        _print_part(found, part)
    return 0


def _print_part(found: Compilation, part: str) -> None:
    if part == "compiled" and _in_colours():
        from .explain.compiled_views import coloured

        _print_in_colours(coloured(found))
    elif part == "compiled":
        _print(found.text(_width()))
    elif part == "program":
        _print(str(found.program))
    else:
        text = found.assembly() if part == "assembly" else found.llvm(optimised=part == "optimised")
        _print(text.rstrip("\n"))


# -- values ----------------------------------------------------------------------------------------


def _split(text: str) -> list[str]:
    """``x=1,0,y=2`` as ``x=1,0`` and ``y=2``."""
    return re.split(r",(?=\s*\w+\s*=)", text)


def _assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Values by name; an error for what is no assignment of numbers."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier():
            raise UsageError(f"{text.strip()!r} is not an assignment such as x=1")
        if name in found:
            raise UsageError(f"{name} is given two values")
        found[name] = _number(name, value)
    return found


def _number(name: str, text: str) -> Any:
    parts = text.split(",")
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise UsageError(
            f"{name}={text} is not a number, nor numbers with commas between them"
        ) from None
    return np.array(numbers) if "," in text else numbers[0]


def _along(along: Mapping[str, Any] | None, args: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """A direction for each argument, None (zero) for those that are not named."""
    if along is None:
        return None
    for name in along:
        if name not in args:
            raise UsageError(f"--along names {name}, and the arguments are {', '.join(args)}")
    return tuple(along.get(name) for name in args)


# -- a function in a file --------------------------------------------------------------------------


def _file(function: str) -> tuple[Path, str] | None:
    """File and name of ``FILE.py:NAME``; None for an expression."""
    found = re.fullmatch(r"(.+\.py):(\w+)", function.strip())
    return None if found is None else (Path(found[1]), found[2])


def _load(path: Path, name: str) -> Callable[..., Any]:
    """The function of that name, by running the file; its own exceptions pass."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"wengert_model_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        own = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        near = get_close_matches(name, own, n=3) or own
        hint = f"; it has {', '.join(near)}" if near else ""
        raise UsageError(f"{path} has no function {name}{hint}")
    return function


def _arguments(
    function: Callable[..., Any], name: str, values: Mapping[str, Any], npz: str | None
) -> dict[str, Any]:
    """The arguments by parameter, from the values given and the arrays of the file."""
    arrays = {} if npz is None else _arrays(Path(npz))
    known = signature_of(function)
    parameters = {} if known is None else known.parameters
    positional = [
        p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if unknown := [key for key in values if key not in [p.name for p in positional]]:
        raise UsageError(
            f"{name} has no parameter {unknown[0]}: it takes "
            f"{', '.join(parameters) or 'no arguments'}"
        )
    found: dict[str, Any] = {}
    waiting: dict[str, Any] = {}
    for place, parameter in enumerate(positional):
        key = parameter.name
        given = next((a for a in (values.get(key), arrays.get(key)) if a is not None), None)
        given = arrays.get(f"arr_{place}") if given is None else given
        if given is not None:
            found.update(waiting)
            waiting.clear()
            found[key] = given
        elif parameter.default is not parameter.empty:
            waiting[key] = parameter.default
        else:
            have = ", ".join([*values, *arrays]) or "nothing"
            raise UsageError(f"{name} needs a value for {key}, and is given {have}")
    return found


def _arrays(path: Path) -> dict[str, Any]:
    """The arrays of a .npz file; nothing in it is run."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{path} is not a file of numeric arrays as np.savez writes it ({_message(error)})"
        ) from error


# -- demo ------------------------------------------------------------------------------------------


def _add_demo(commands: Any) -> None:
    sub = commands.add_parser(
        "demo",
        help="train a network on handwritten digits, four ways, and draw what happens",
        description="Trains a small NumPy network on scikit-learn's digits by random search, "
        'central differences, forward and reverse mode. Needs pip install "wengert[demo]".',
        allow_abbrev=False,
    )
    sub.add_argument("--out", metavar="DIR", default="demo-output", help="where pictures are saved")
    sub.add_argument("--fast", action="store_true", help="a few seconds' worth only")
    sub.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import main as run

    return run(Path(arguments.out), fast=arguments.fast) or 0
