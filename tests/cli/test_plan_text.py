"""Plans as a person reads them, at both widths, from values made by hand."""

from dataclasses import replace

import pytest

from moss.cli.plan_text import activation_text, plan_text
from moss.cli.text import Page
from moss.digest import PackageDigest
from moss.generation import Generation, Reason, Status
from moss.model import SystemModel, Wish
from moss.package import Metadata
from moss.path_filter import Omission
from moss.plan import Change, Chosen, Difference, Held, Install, Plan, Proof, Refetch, Removal, Saving, Space
from moss.repository import Candidate
from moss.root import GenerationId


def metadata(name: str, version: str, release: int) -> Metadata:
    return Metadata(name, version, release, 1, "x86_64")


def chosen(name: str, version: str, release: int, reason: Reason) -> Chosen:
    return Chosen(metadata(name, version, release), f"key of {name} {version}", reason, None, None)


def wishes(*texts: str) -> SystemModel:
    return SystemModel(tuple(Wish.parse(text) for text in texts))


INKSCAPE = chosen("inkscape", "1.4.2", 31, Reason(wish="inkscape"))
LIBGSL = chosen("libgsl", "2.8", 4, Reason(package="inkscape", needs="soname(libgsl.so.28(x86_64))"))
LIBCBLAS = chosen("libcblas", "3.12", 1, Reason(package="libgsl", needs="soname(libcblas.so.3(x86_64))"))
GLIB = chosen("glib2", "2.86.2", 63, Reason(package="inkscape", needs="glib2 (>= 2.86.2)"))

PLAN = Plan(
    operation="install",
    base=GenerationId(42),
    result=GenerationId(43),
    model=wishes("inkscape"),
    model_before=wishes(),
    chosen=(INKSCAPE, LIBGSL, LIBCBLAS, GLIB),
    installs=(Install(INKSCAPE), Install(LIBCBLAS), Install(LIBGSL)),
    changes=(Change(metadata("glib2", "2.86.1", 62), GLIB),),
    removals=(Removal(metadata("libold", "1.0", 2), "nothing needs it any more"),),
    space=Space(download=43_200_000, store=123_700_000, free=23_100_000_000),
    proof=Proof(True, 0.024, (("removed", 1), ("new", 3)), "fewest-removals"),
)

AT_80 = """\
Install   inkscape 1.4.2-31              you asked for it
          libcblas 3.12-1, libgsl 2.8-4  needed by inkscape
Change    glib2 2.86.1-62 → 2.86.2-63    inkscape needs glib2 (>= 2.86.2)
Remove    libold 1.0-2                   nothing needs it any more
Download  41.2 MiB      Disk +118 MiB      free after 21.4 GiB
Result    generation 42 → 43, live at once; optimal (proven, 24 ms)
"""


def test_a_plan_at_80_columns() -> None:
    assert plan_text(PLAN, Page(80)) == AT_80


def test_a_plan_at_120_columns() -> None:
    assert plan_text(PLAN, Page(120)) == plan_text(PLAN, Page(80))


def test_long_rows_wrap_in_their_columns() -> None:
    many = tuple(
        Install(chosen(f"library-number-{number}", "1.0", 1, Reason(package="inkscape", needs="it")))
        for number in range(6)
    )
    plan = replace(PLAN, installs=(Install(INKSCAPE), *many), changes=(), removals=())
    assert plan_text(plan, Page(80)).startswith("""\
Install   inkscape 1.4.2-31                       you asked for it
          library-number-0 1.0-1,                 needed by inkscape
          library-number-1 1.0-1,
          library-number-2 1.0-1,
          library-number-3 1.0-1,
          library-number-4 1.0-1,
          library-number-5 1.0-1
""")
    assert plan_text(plan, Page(120)).startswith("""\
Install   inkscape 1.4.2-31                                             you asked for it
          library-number-0 1.0-1, library-number-1 1.0-1,               needed by inkscape
          library-number-2 1.0-1, library-number-3 1.0-1,
          library-number-4 1.0-1, library-number-5 1.0-1
""")


def test_many_packages_are_counted_and_verbose_names_all_with_their_own_reasons() -> None:
    many = tuple(
        Install(chosen(f"lib{number}", "1", 1, Reason(package="inkscape", needs=f"soname(lib{number}.so)")))
        for number in range(200)
    )
    plan = replace(PLAN, installs=(Install(INKSCAPE), *many), changes=(), removals=())
    short, long = plan_text(plan, Page(80)), plan_text(plan, Page(80, verbose=True))
    assert len(short.splitlines()) == 13
    assert "(+" in short and "lib199" not in short
    assert "lib199 1-1" in long and "inkscape needs soname(lib199.so)" in long
    assert "Proof     removed 1 › new 3 (fewest-removals; each the least there is, given\n" in long
    unproven = replace(plan, proof=replace(plan.proof, proven=False))
    assert "reached, not proven the least" in plan_text(unproven, Page(120, verbose=True))


def test_what_a_need_leads_back_to_is_what_was_asked_for() -> None:
    assert "libcblas 3.12-1, libgsl 2.8-4" in plan_text(PLAN, Page(80))


def test_reasons_that_go_in_a_circle_end() -> None:
    one = chosen("one", "1", 1, Reason(package="two", needs="two"))
    two = chosen("two", "1", 1, Reason(package="one", needs="one"))
    plan = replace(PLAN, chosen=(one, two), installs=(Install(one), Install(two)), changes=(), removals=())
    assert "one 1-1" in plan_text(plan, Page(80))


def test_a_capability_that_was_asked_for_is_named() -> None:
    git = chosen("git", "2.51", 1, Reason(wish="binary(git)"))
    plan = replace(PLAN, chosen=(git,), installs=(Install(git),), changes=(), removals=())
    assert "git 2.51-1  you asked for binary(git)" in plan_text(plan, Page(80))


def test_an_update_says_newer_a_rebuild_says_so_a_downgrade_says_why() -> None:
    newer = Change(metadata("glib2", "2.86.1", 62), GLIB)
    again = Change(metadata("glib2", "2.86.2", 63), GLIB)
    older = Change(metadata("glib2", "3.0", 1), GLIB)
    update = replace(PLAN, operation="update", installs=(), removals=())
    assert "glib2 2.86.1-62 → 2.86.2-63  newer version" in plan_text(
        replace(update, changes=(newer,)), Page(80)
    )
    assert "2.86.2-63 → 2.86.2-63 (another build)  built anew" in plan_text(
        replace(update, changes=(again,)), Page(80)
    )
    assert "older: inkscape needs glib2 (>= 2.86.2)" in plan_text(
        replace(update, changes=(older,)), Page(120)
    )


def test_what_is_held_back_says_what_frees_it() -> None:
    why = ("inkscape needs glib2 < 2.90",)
    held = Held("glib2", "2.86.1-62", "2.90-1", why, command="moss remove inkscape")
    plan = replace(PLAN, installs=(), changes=(), removals=())
    text = plan_text(replace(plan, held=(held,)), Page(160))
    assert "Held      glib2 2.86.1-62 (newest 2.90-1)  inkscape needs glib2 < 2.90; moss remove inkscape frees" in text
    costly = replace(held, gone=("a", "b", "c", "d"), behind=("e",), command="moss update glib2 --prefer newest")
    text = plan_text(replace(plan, held=(costly,)), Page(220))
    assert "; e would stay behind; a, b and 2 more would go: moss update glib2 --prefer newest\n" in text


def test_what_is_held_back_for_no_rule_of_packages_says_so() -> None:
    plan = replace(PLAN, installs=(), changes=(), removals=(), held=(Held("glib2", "1-1", "2-1", ()),))
    assert "glib2 1-1 (newest 2-1)  something that matters more comes first" in plan_text(plan, Page(120))


def test_many_held_packages_are_counted_and_it_is_said_how_to_learn_why() -> None:
    told = (Held("glib2", "1-1", "2-1", ("why not",)),)
    rest = tuple(Held(f"lib{number}", "1-1", "2-1") for number in range(300))
    plan = replace(PLAN, installs=(), changes=(), removals=(), held=(*told, *rest))
    text = plan_text(plan, Page(80))
    assert "(+" in text and len(text.splitlines()) < 18
    assert "moss update -n NAME tells why, update -n -v of many" in plan_text(plan, Page(200))


def test_asking_for_what_is_there_is_shown() -> None:
    plan = replace(
        PLAN,
        installs=(),
        changes=(),
        removals=(),
        model=wishes("inkscape", "libgsl"),
        model_before=wishes("inkscape"),
    )
    assert plan_text(plan, Page(80)).startswith("Ask for   libgsl  is there already, and stays\n")


def test_the_first_generation_and_an_unproven_answer_say_so() -> None:
    text = plan_text(replace(PLAN, base=None, result=GenerationId(1), proof=Proof(False, 10.04)), Page(120))
    assert (
        "Result    generation 1, the first, live at once; the best found in 10.0 s, not proven optimal\n"
        in text
    )


def test_removals_come_last_of_the_packages() -> None:
    labels = [line.split()[0] for line in plan_text(PLAN, Page(80)).splitlines() if not line.startswith(" ")]
    assert labels == ["Install", "Change", "Remove", "Download", "Result"]


def test_names_from_packages_cannot_act_on_the_terminal() -> None:
    evil = chosen("evil\x1b[2J", "1\n2", 1, Reason(wish="evil\x1b[2J"))
    plan = replace(
        PLAN, chosen=(evil,), installs=(Install(evil),), removals=(Removal(evil.metadata, "\x07"),)
    )
    text = plan_text(plan, Page(120))
    assert "\x1b" not in text and "\x07" not in text
    assert "evil\\e[2J 1\\n2-1" in text


def test_colour_paints_labels_and_reasons_only() -> None:
    text = plan_text(PLAN, Page(80, colour=True))
    assert "\x1b[32mInstall\x1b[0m   inkscape 1.4.2-31" in text
    assert "\x1b[1;31mRemove\x1b[0m" in text
    unpainted = text
    for code in ("1;31", "32", "33", "1", "2", "0"):
        unpainted = unpainted.replace(f"\x1b[{code}m", "")
    assert unpainted == plan_text(PLAN, Page(80))


@pytest.mark.parametrize("width", [1, 20, 40])
def test_narrow_pages_do_not_fail(width: int) -> None:
    assert plan_text(PLAN, Page(width))


def test_an_activation_shows_what_goes_and_comes() -> None:
    target = Generation(
        GenerationId(41), 1_788_358_980, GenerationId(40), "moss update", Status.COMPLETE, wishes()
    )
    difference = Difference(
        (Install(LIBGSL),),
        (Change(metadata("glib2", "2.86.3", 1), GLIB),),
        (metadata("inkscape", "1.4.2", 31),),
    )
    assert activation_text(GenerationId(42), target, difference, Page(120)).startswith("""\
Install   libgsl 2.8-4
Change    glib2 2.86.3-1 → 2.86.2-63
Remove    inkscape 1.4.2-31
Result    generation 42 → 41, live at once (made 2026-""")


def test_what_is_left_out_and_what_comes_back_is_told_with_its_size() -> None:
    candidate = Candidate("main", "key", GLIB.metadata, "glib2.stone", PackageDigest("0" * 64), 10)
    plan = replace(
        PLAN, model_before=PLAN.model, installs=(), changes=(), removals=(),
        omissions=(Omission("docs", ("share/doc/**",)),),
        savings=(Saving("docs", 0, 3 << 20), Saving("locale", 1 << 20, 0), Saving("same", 7, 7)),
        refetched=(Refetch(GLIB, candidate, 5),),
    )  # fmt: skip
    assert not plan.is_empty
    assert plan_text(plan, Page(80)).startswith("""\
Leave out docs 3.0 MiB     not in /usr from now on
Restore   locale 1.0 MiB   back in /usr
Refetch   glib2 2.86.2-63  some of their files are not here any more
""")
