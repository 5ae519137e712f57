"""A value is what a frozen dataclass is: the two are compared, declared alike."""

import copy
import dataclasses
import pickle

import pytest

from solver.values import field, later, ordered_value, replace, value


@ordered_value
class Ours:
    """A point."""

    x: int
    y: int = 2
    tags: tuple[str, ...] = ()
    notes: dict[str, int] = field(default_factory=dict, compare=False)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Theirs:
    """A point."""

    x: int
    y: int = 2
    tags: tuple[str, ...] = ()
    notes: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)


@value
class Empty:
    """Nothing."""


@value
class Checked:
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


@value
class Derived(Checked):
    z: int = 5

    def __repr__(self) -> str:
        return f"<{self.x} {self.z}>"


@pytest.mark.parametrize("of", [Ours, Theirs])
def test_a_value_is_what_a_frozen_dataclass_is(of: type[Ours]) -> None:
    one = of(1, tags=("a",))
    assert repr(one).replace("Theirs", "Ours") == "Ours(x=1, y=2, tags=('a',), notes={})"
    assert one == of(1, 2, ("a",), {"not": 1}) and hash(one) == hash(of(1, 2, ("a",)))
    assert one != of(1, 3, ("a",)) and one != (1, 2, ("a",))
    assert of(1).notes is not of(1).notes
    assert sorted([of(2), of(1, 3), of(1)]) == [of(1), of(1, 3), of(2)]
    assert of(1) <= of(1) >= of(1) and of(1) < of(2) and of(2) > of(1)
    with pytest.raises(TypeError):
        of(1) < 3  # type: ignore[operator] # noqa: B015
    with pytest.raises(AttributeError):
        one.x = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del one.x
    with pytest.raises((AttributeError, TypeError)):  # theirs: TypeError, by a slip of Python 3.11
        one.z = 5  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        of()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        of(1, z=2)  # type: ignore[call-arg]
    for again in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one)):
        assert again == one and again is not one
    assert dataclasses.replace(one, y=9) == of(1, 9, ("a",)) and dataclasses.is_dataclass(one)
    assert [known.name for known in dataclasses.fields(one)] == ["x", "y", "tags", "notes"]
    assert of.__doc__ == "A point."
    match one:
        case of(x, y):
            assert (x, y) == (1, 2)


def test_the_first_values_of_a_class_are_made_as_all_others_are() -> None:
    @value
    class Counted:
        x: int
        y: int = 2
        names: list[str] = field(default_factory=list)

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("negative")

    for at in range(50):
        one = Counted(at, names=["a"])
        assert (one.x, one.y, one.names, Counted(y=3, x=at).y) == (at, 2, ["a"], 3)
        assert Counted(1).names == [] and Counted(1).names is not Counted(1).names
        with pytest.raises(ValueError, match="negative"):
            Counted(-1)


@pytest.mark.parametrize("more", [((1, 2, 3), {}), ((1,), {"x": 1}), ((), {}), ((1,), {"z": 1})])
def test_the_first_value_of_a_class_refuses_other_arguments(more: tuple[tuple[int, ...], dict[str, int]]) -> None:
    @value
    class Fresh:
        x: int
        y: int = 2

    with pytest.raises(TypeError, match="__init__"):
        Fresh(*more[0], **more[1])
    assert Fresh(1).y == 2


def test_a_value_differs_from_one_of_another_class_with_the_same_fields() -> None:
    assert Ours(1) != Theirs(1) and Checked(1) != Derived(1, 5)


def test_replace_changes_what_it_is_told_and_nothing_else() -> None:
    one = Ours(1, notes={"kept": 1})
    assert replace(one, x=3) == Ours(3) and replace(one, x=3).notes == {"kept": 1}
    with pytest.raises(TypeError):
        replace(one, nothing=3)


def test_a_derived_value_has_the_fields_and_checks_of_its_base() -> None:
    assert repr(Derived(1)) == "<1 5>" and Derived(1, 2) == Derived(x=1, z=2)
    with pytest.raises(ValueError, match="negative"):
        Derived(-1)
    with pytest.raises(ValueError, match="negative"):
        replace(Checked(1), x=-1)


def test_a_value_without_fields_equals_every_other() -> None:
    assert Empty() == Empty() and hash(Empty()) == hash(Empty()) and repr(Empty()) == "Empty()"


def test_a_value_completed_later_is_as_any_other_and_is_completed_once() -> None:
    made: list[int] = []

    def make() -> Ours:
        made.append(1)
        return Ours(1, 5, ("a",))

    one = later(Ours, make, x=1)
    assert isinstance(one, Ours) and one.x == 1 and made == []
    assert one.tags == ("a",) and one.y == 5 and made == [1]
    for promised in (one, later(Ours, make, x=1)):
        assert promised == Ours(1, 5, ("a",)) == promised and hash(promised) == hash(Ours(1, 5, ("a",)))
        assert repr(promised) == repr(Ours(1, 5, ("a",))) and promised < Ours(2)
        assert pickle.loads(pickle.dumps(promised)) == promised == copy.copy(promised)
        assert replace(promised, y=2) == Ours(1, 2, ("a",)) and type(replace(promised, y=2)) is Ours
    with pytest.raises(AttributeError):
        one.y = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="has no nothing"):
        _ = one.nothing  # type: ignore[attr-defined]
    match later(Ours, make, x=1):
        case Ours(x, y):
            assert (x, y) == (1, 5)
