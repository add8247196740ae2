from . import numpy, primitives
