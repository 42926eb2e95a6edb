"""Names that a script of a run imports."""
