"""Rules of the user's own: ``custom_jvp``, ``custom_vjp`` and ``stop_gradient``.

A function with its own rules is one equation to every trace: what it computes is not looked into,
so its body may be anything that Python can call. ``functions`` has the decorators, ``call`` the
primitive, whose parameter is the call itself; ``results`` finds the types of a result before there
is one, and ``linear`` gives one mode by the rule of the other.
"""

from .functions import custom_jvp, custom_vjp
from .stop import stop_gradient

__all__ = ["custom_jvp", "custom_vjp", "stop_gradient"]
