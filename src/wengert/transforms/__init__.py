"""Transforms: from a Program, or a run of a function, to its derivative or its batched form."""
