"""Transforms: from a Program, or from a run of a function, to its derivative or its batched form."""
