"""``python -m benchmarks.gradbench``: a message on each line of input, an answer on each line."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from .task import Task, measured

EVALS = "ba det gmm hello ht kmeans llsq lse lstm ode particle saddle".split()


def functions(module: str) -> dict[str, Task]:
    """The functions of an eval by their names; KeyError for an eval that there is not."""
    if module not in EVALS:
        raise KeyError(f"there is no eval {module!r}; there are {', '.join(EVALS)}")
    return import_module(f".{module}", __package__).FUNCTIONS


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The response to one message of the protocol.

    Example:
        >>> answer({"id": 0, "kind": "start", "eval": "hello"})
        {'id': 0, 'tool': 'wengert'}
        >>> answer({"id": 1, "kind": "define", "module": "hello"})
        {'id': 1, 'success': True}
    """
    response: dict[str, Any] = {"id": message["id"]}
    try:
        if message["kind"] == "start":
            response["tool"] = "wengert"
        elif message["kind"] == "define":
            functions(message["module"])
            response["success"] = True
        elif message["kind"] == "evaluate":
            task = functions(message["module"])[message["function"]]
            response |= measured(task, message["input"])
    except Exception:
        response |= {"success": False, "error": traceback.format_exc()}
    return response


def serve(lines: Iterable[str]) -> Iterator[str]:
    """The response to each line."""
    for line in lines:
        yield json.dumps(answer(json.loads(line)))


def main() -> None:
    """Answer the messages on standard input until there are no more."""
    for response in serve(sys.stdin):
        print(response, flush=True)


if __name__ == "__main__":
    main()
