"""The text of the model in a bundle: as a person wrote it, comments and all, where it says what the generation is.

Repositories are no part of it: they are each system's own.
"""

from moss.bundle.manifest import LARGEST_MODEL_TEXT, Manifest
from moss.db import generations
from moss.errors import CorruptData, MossError
from moss.generation import Generation
from moss.model import SystemModel, says_the_same, with_times
from moss.model_text import read_model, with_repositories
from moss.operations.stated import stated
from moss.operations.system import System


def model_text(system: System, generation: Generation) -> str | None:
    """The text of a generation's model, as its file has it where that is the active one; None where there is none that
    says so, or one that is very large."""
    text = _text(system, generation)
    if text is None:
        return None
    try:
        found = with_repositories(text, ())
        says_it = _says(found, generation.model)
    except MossError:
        return None
    return found if says_it and len(found) <= LARGEST_MODEL_TEXT else None


def _text(system: System, generation: Generation) -> str | None:
    if generation.id == system.active:
        try:
            here = stated(system)
        except MossError:  # a file that cannot be followed says nothing of this generation
            return generations.model_text_of(system.record, generation.id)
        if here.text is not None and not here.differs:
            return here.text
    return generations.model_text_of(system.record, generation.id)


def text_in_bundle(manifest: Manifest, name: str) -> str | None:
    """The text that comes with a bundle. CorruptData where it says another model than the bundle is of."""
    text = manifest.model_text
    if text is None:
        return None
    try:
        says_it = _says(text, manifest.model)
    except MossError as fault:
        raise _wrong(name, fault.message) from fault
    if not says_it:
        raise _wrong(name, "it says another model than the one that the bundle's generation was made by")
    return text


def _says(text: str, model: SystemModel) -> bool:
    """When pins and holds were said is on record alone."""
    return says_the_same(with_times(read_model(text, "the system model").model, model, 0), model)


def _wrong(name: str, why: str) -> CorruptData:
    return CorruptData(
        f"the text of its system model cannot be taken: {why}",
        file=name,
        remedies=["have the bundle made anew; there: moss export -o FILE"],
    )
