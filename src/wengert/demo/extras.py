"""Packages that the demo needs and the library does not."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import WengertError

__all__ = ["extra"]

_NAMES = {"sklearn": "scikit-learn"}


def extra(module: str) -> Any:
    """The module; ``WengertError`` that names the extra to install if there is none."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise WengertError(
            f"the demo needs {_NAMES.get(top, top)}, which is not installed",
            remedy='pip install "wengert[demo]"',
        ) from error
