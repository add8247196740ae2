"""What every test file has in common."""

from __future__ import annotations

import os

from hypothesis import settings

# Figures are drawn into files, also where there is a display.
os.environ["MPLBACKEND"] = "Agg"

# A run of the tests is the same every time; `make fuzz` looks for new examples.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("steady")
