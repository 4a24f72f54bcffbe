"""Palms that never existed: the library that makes every asset.

Usable from a shell or a notebook, without Dagster or Streamlit.
"""

import os

__version__ = "0.1.0"

# Read once, when torch is loaded. By default OpenMP's threads spin while they wait for each other, and with
# anything else running on the machine they then mostly spin: three times slower on two shared cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
