"""``wg.jit``: functions compiled to native code while they are used.

``jitted`` has the verb; ``asked`` and ``keys`` take a call apart, ``tracing``, ``weak`` and ``run``
record a path, ``paths`` finds the one that fits, ``execute``, ``worker`` and ``fast`` run it, and
``call`` is what a jitted function is inside of a derivative.
"""

from .jitted import Jitted, jit

__all__ = ["Jitted", "jit"]
