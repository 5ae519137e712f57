"""A conflict of the solver's as the error that a person reads."""
from moss.errors import Unsatisfiable
def unsatisfiable(problem, conflict):
    return Unsatisfiable(str(conflict.rules))
