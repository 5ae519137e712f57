"""A conflict of the solver's as the error that a person reads."""
