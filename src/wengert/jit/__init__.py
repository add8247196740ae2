"""``wg.jit``: functions compiled to native code while they are used.

``verb`` is what users call, ``jitted`` what they get; ``asked`` and ``keys`` take a call apart,
``tracing``, ``weak`` and ``run`` record a path, ``outside`` puts back what a run that failed has
changed, ``paths`` finds the one that fits, ``execute``,
``worker`` and ``fast`` run it, ``call`` is what a jitted function is inside of a derivative, and
``exported`` what it is for callers in C.
"""

from .jitted import Jitted
from .verb import jit

__all__ = ["Jitted", "jit"]
