"""What moss itself puts at the top of each tree, and no package has.

    .system-model.kdl    what the generation was to be: the system model as text, and at its end, in a comment, what
                         else the record knows of it that no file shows; for when the record is lost
    .stateID             which generation it is; last, so that a tree that says so is complete
"""

from moss.effects import Effects
from moss.root import MODEL_FILE, STATE_FILE, GenerationId
from solver.values import value


@value
class Declared:
    """Both of a tree. Without a `model` its file is not written: a spare tree was never to be anything."""

    generation: GenerationId
    model: str = ""


def declare(said: Declared, top: int, effects: Effects) -> None:
    """Write them at the top of a tree that is otherwise complete; `top` is it, open."""
    if said.model:
        # What the person wrote may be for nobody else's eyes.
        effects.write_new(MODEL_FILE, said.model.encode(), mode=0o600, dir_fd=top)
    effects.write_new(STATE_FILE, f"{said.generation}\n".encode(), mode=0o644, dir_fd=top)


def withdraw(top: int, effects: Effects) -> None:
    """Take them away before anything else of a tree is changed."""
    effects.unlink(STATE_FILE, dir_fd=top)
    try:
        effects.unlink(MODEL_FILE, dir_fd=top)
    except FileNotFoundError:  # a spare tree's; or somebody else's doing, who wanted the same
        pass
