"""Hands that never existed: the library that makes every asset.

Usable from a shell or a notebook, without Dagster or Streamlit.
"""

__version__ = "0.1.0"
