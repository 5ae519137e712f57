"""The stated model: what a change starts from, as the person has it in /etc/moss/system-model.kdl.

    no file, or as moss wrote it   the active generation's model; nothing is parsed
    edited                         what the file says; the plan shows what was edited
    not readable                   ModelTextError or MossError, with place and remedy: nothing is changed

Every change, of whatever kind, starts from `stated_model`.
"""

from typing import TYPE_CHECKING

from moss.db import generations
from moss.db import model_file as recorded_file
from moss.db.model_file import ModelFile
from moss.db.repositories import repositories
from moss.effects import as_moss_error
from moss.errors import MossError
from moss.model import SystemModel, changes_between, says_the_same, with_times
from moss.model_file import found_file, put_back, text_of
from moss.operations.system import System
from moss.plan import Plan
from moss.root import GenerationId
from solver.values import replace, value

if TYPE_CHECKING:
    from moss.model_text import StatedRepository


@value
class Stated:
    """What the file says, beside what the active generation was made with."""

    model: SystemModel
    active: SystemModel
    text: str | None
    """The file's; None where there is none."""
    is_edited: bool = False
    """Whether the file is not as moss wrote it."""
    repositories: "tuple[StatedRepository, ...] | None" = None
    """Of an edited file; None where it does not speak of them."""
    follows_repositories: bool = True
    """Whether those on record are the same."""
    warnings: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the file says something else than what is active."""
        return not says_the_same(self.model, self.active) or not self.follows_repositories


def stated_model(system: System) -> SystemModel:
    """The model that a change starts from."""
    return stated(system).model


def stated(system: System) -> Stated:
    """With all that is known of the file. ModelTextError where it cannot be followed."""
    active = generations.model_of(system.record, system.active)
    with as_moss_error("read the system model"):
        there = found_file(system.root)
    if there is None:
        return Stated(active, active, None)
    known = recorded_file.recorded(system.record)
    if _is_as_written(there.content, known):
        return Stated(active, active, known.next or there.content.decode())
    return _edited(system, there.content, active)


def _is_as_written(content: bytes, known: ModelFile) -> bool:
    """Whether nobody has edited it. An edit that was followed counts as none, where what came of it is still due."""
    own = (known.written, known.next, known.taken if known.next is not None else None)
    return content in [text.encode() for text in own if text is not None]


def unfollowed(system: System) -> tuple[str, ...]:
    """What the file says and the active generation does not, in few words each."""
    here = stated(system)
    repositories_differ = () if here.follows_repositories else ("repositories",)
    return (*changes_between(here.active, here.model), *repositories_differ)


def _edited(system: System, content: bytes, active: SystemModel) -> Stated:
    from moss.model_text import read_model, same_repositories  # only where a person has edited

    name = system.root.model_file
    text = decoded(content, name)
    said = read_model(text, name)
    follows = said.repositories is None or same_repositories(said.repositories, repositories(system.record))
    model = with_times(said.model, active, system.clock())
    return Stated(model, active, text, True, said.repositories, follows, said.warnings)


def decoded(content: bytes, name: str) -> str:
    """ModelTextError where it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as fault:
        from moss.model_text import ModelTextError

        line = content.count(b"\n", 0, fault.start) + 1
        column = len(content[content.rfind(b"\n", 0, fault.start) + 1 : fault.start].decode(errors="replace")) + 1
        raise ModelTextError(
            f"{name}:{line}:{column}: this is not UTF-8 text", remedies=[f"save {name} as UTF-8"]
        ) from fault


def next_file(system: System, plan: Plan) -> ModelFile:
    """The text that says what a plan makes of the model, and what it takes the place of.

    MossError where the file was edited since the plan was made.
    """
    here = stated(system)
    if (here.model if here.is_edited else None) != plan.edited:
        raise MossError(
            f"{system.root.model_file} was edited while this was being decided; nothing was changed",
            remedies=["run the command again: it shows what it makes of the edit"],
        )
    text = _next_text(system, plan, here)
    known = recorded_file.recorded(system.record)
    taken = here.text if here.is_edited else known.taken
    return replace(known, next=text, taken=taken, settles=here.follows_repositories)


def _next_text(system: System, plan: Plan, here: Stated) -> str:
    base = here.text if here.text is not None else text_of(system.record, system.active)
    if plan.model_text is None and says_the_same(plan.model, here.model):
        return base
    from moss.model_text import as_stated, edited, with_repositories

    if plan.model_text is None:
        return edited(base, here.model, plan.model)
    return with_repositories(plan.model_text, [as_stated(one) for one in repositories(system.record)])


def file_of_repositories(system: System) -> ModelFile | None:
    """What is to be written now that the repositories on record are others; None where there is no file, or where
    it says so already. An edited file stays edited, and names them too. MossError where it cannot be read."""
    with as_moss_error("read the system model"):
        there = found_file(system.root)
    if there is None:
        return None
    from moss.model_text import as_stated, read_model, with_repositories

    name, known = system.root.model_file, recorded_file.recorded(system.record)
    text = decoded(there.content, name)
    as_written = _is_as_written(there.content, known)
    base = known.next if as_written and known.next is not None else text
    read_model(base, name)  # what cannot be followed is not written to, either
    new = with_repositories(base, [as_stated(one) for one in repositories(system.record)])
    if new == text:
        return None
    return replace(known, next=new, taken=known.taken if as_written else text, settles=as_written)


def file_of_activation(system: System, target: GenerationId) -> ModelFile:
    """What is to be written when an archived generation becomes the active one: the text it was made with. Where the
    file was edited in its comments only, these stay. A file that says something of its own stays, too."""
    back = put_back(system.record, target)
    try:
        here = stated(system)
    except MossError:  # it cannot be followed, so it stays: going back must not depend on it
        return back
    if not here.is_edited or here.differs or here.text is None:
        return back
    from moss.model_text import edited

    text = edited(here.text, here.active, generations.model_of(system.record, target))
    return replace(back, next=text, taken=here.text)
