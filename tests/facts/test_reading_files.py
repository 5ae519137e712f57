"""Files of facts: what is read, what is refused and where, and that what is written is read again."""

import random

import pytest

from moss.errors import UsageError
from moss.facts import Fact, FactKind, fact, in_order, is_about_facts
from moss.facts_file import format_facts, parse_facts


def capabilities(text: str) -> list[str]:
    return [one.capability for one in parse_facts(text, "F")]


def refused(text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        parse_facts(text, "F")
    assert caught.value.remedies
    return [caught.value.message, *caught.value.because]


def test_facts_are_read_in_their_order_and_comments_are_not() -> None:
    text = """# a machine
    virt(kvm)      # a comment

    modalias(platform:Fixed MDIO bus)\t# of three words
    arch(x86_64)
    #cpu(x86-64-v4)
    locale(de_DE)
    virt(kvm)
    """
    assert capabilities(text) == ["arch(x86_64)", "virt(kvm)", "locale(de_DE)", "modalias(platform:Fixed MDIO bus)"]


def test_a_fact_says_where_it_was_read() -> None:
    assert parse_facts("\n# x\narch(386)", "dir/F") == (Fact("arch(386)", "dir/F:3"),)


def test_a_level_brings_those_below_it() -> None:
    assert capabilities("arch(x86_64)\ncpu(x86-64-v3)") == [
        *("arch(x86_64)", "cpu(x86-64-v1)", "cpu(x86-64-v2)", "cpu(x86-64-v3)")
    ]
    assert capabilities("arch(s390x)\ncpu(z15)") == ["arch(s390x)", "cpu(z15)"]


def test_a_sign_within_a_name_begins_no_comment() -> None:
    assert capabilities("arch(x86_64)\nmodalias(of:Na#b)")[1:] == ["modalias(of:Na#b)"]


def test_brackets_in_a_name_are_part_of_it() -> None:
    text = "modalias(of:NcpusT(null)Carm,cortex-a72)"
    assert capabilities(f"arch(aarch64)\n{text}")[1:] == [text]


@pytest.mark.parametrize(
    ("line", "place", "word"),
    [
        ("vim", "2:1", "'vim' is no fact"),
        ("  vim", "2:3", "'vim' is no fact"),
        ("(x)", "2:1", "no kind of fact ''"),
        ("modalais(pci:v00008086)", "2:1", "no kind of fact 'modalais'"),
        ("binary(git)", "2:1", "no kind of fact 'binary'"),
        ("Virt(kvm)", "2:1", "no kind of fact 'Virt'"),
        ("virt(kvm", "2:9", "closing bracket"),
        ("virt(kvm) (", "2:12", "closing bracket"),
        ("virt()", "2:6", "nothing stands in the brackets"),
        ("virt(kvm) locale(de_DE)", "2:10", "a second fact"),
        ("locale(de DE)", "2:10", "a space cannot be here"),
        ("modalias( pci:x)", "2:10", "a space cannot be here"),
        ("modalias(pci:x )", "2:15", "a space cannot be here"),
        ("modalias(pci:\x1b[31m)", "2:14", "the character"),
        ("modalias(pci:\u202ex)", "2:14", "the character"),
        ("cpu(x86-64-v5)", "2:5", "no such level"),
        ("arch(aarch64)", "2:1", "a second architecture"),
        ("kernel(6.1)", "2:1", "kernels are those of the system"),
        (f"modalias({'x' * 8193})", "2:8202", "more than 8192 characters"),
    ],
)
def test_a_line_that_is_no_fact_is_refused_at_its_place(line: str, place: str, word: str) -> None:
    (told,) = refused(f"arch(x86_64)\n{line}\nvirt(none)")
    assert told.startswith(f"F:{place}: ")
    assert word in told


def test_all_faults_are_told_at_once_and_not_too_many() -> None:
    assert [told.partition(": ")[0] for told in refused("x\narch(386)\n y")] == ["F:1:1", "F:3:2"]
    told = refused("x\n" * 50)
    assert len(told) == 11
    assert told[-1] == "and 40 more"


def test_a_file_without_an_architecture_is_refused() -> None:
    assert "no architecture" in refused("virt(kvm)")[0]
    assert "no architecture" in refused("")[0]


def test_what_is_written_is_read_again() -> None:
    chance = random.Random("facts")
    signs = "abz09:._-()*?[]#  äß,@/\n\x7f\u2028"
    kinds = [kind for kind in FactKind if kind not in (FactKind.ARCH, FactKind.KERNEL)]
    said = 0
    for _ in range(300):
        found = [Fact("arch(x86_64)", "uname")]
        for _ in range(chance.randrange(6)):
            name = "".join(chance.choices(signs, k=chance.randrange(8)))
            one = fact(chance.choice(kinds), name, "/sys/odd\nvirt(kvm)  # x")
            found += [] if one is None else [one]
        said += len(found)
        text = format_facts(found, "a title\narch(386)")
        assert [one.capability for one in parse_facts(text, "F")] == [one.capability for one in in_order(found)], text
    assert said > 600


def test_kernels_are_not_written() -> None:
    assert "kernel" not in format_facts([Fact("arch(386)"), Fact("kernel(6.1)")], "x")


def test_what_packages_provide_is_not_about_facts() -> None:
    assert is_about_facts("modalias(pci:*)")
    assert not any(map(is_about_facts, ("modalias", "architecture(x)", "binary(cpu)", "cpuid", "")))
