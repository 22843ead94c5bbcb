"""Texts from outside that a program would take for more than text."""

#: Source: OWASP, "CSV Injection".
FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a text for a formula."""
    return text.startswith(FORMULA_MARKS)
