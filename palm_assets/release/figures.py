"""Figures for people."""


def rounded(value: float) -> str:
    """Three significant digits, and no exponent: 83.8, 0.0399, 1240."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
