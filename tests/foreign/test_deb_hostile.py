"""Debian packages that are damaged or made to do harm: refused by name and place, leaving nothing."""

import hashlib
import lzma
import os
import random
import re
import signal
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from moss.errors import CorruptData, FormatTooNew, MossError, NotFound, UsageError
from moss.foreign.deb import Converted, Failed, Limits, convert, convert_all
from tests.foreign.debmaker import (
    COMPRESSIONS,
    Deb,
    Item,
    ar,
    converted,
    folder,
    hard_link,
    link,
    read_stone,
    tar,
)

FILES = (folder("./usr/"), Item("./usr/bin/tool", b"tool" * 1000, mode=0o755), Item("./etc/tool", b"conf"))
SOUND = Deb(FILES)


def refused(directory: Path, raw: bytes, limits: Limits | None = None) -> MossError:
    """The error, after making sure that it helps and that nothing stayed behind."""
    path, stones = directory / "bad.deb", directory / "stones"
    path.write_bytes(raw)
    with pytest.raises(MossError) as error:
        convert(str(path), str(stones), limits=limits)
    assert str(path) in error.value.message
    assert error.value.remedies
    assert list(stones.iterdir()) == []
    return error.value


def with_data(data: bytes) -> bytes:
    """A package with this in place of the tar of its files."""
    return ar([*SOUND.members()[:2], ("data.tar", data)])


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_that_dpkg_writes_is_read(tmp_path: Path, compression: str) -> None:
    _, read = converted(Deb(FILES, compression=compression), tmp_path)
    assert read.contents["bin/tool"] == b"tool" * 1000


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, compression: str) -> None:
    sound = Deb(FILES, compression=compression).bytes().rstrip(b"\n")
    for length in sorted(
        {0, 1, 7, 8, 9, 67, 68, 70, 71, 72, *range(73, len(sound), max(len(sound) // 60, 1))}
    ):
        assert refused(tmp_path, sound[:length]).exit_code == 7
    refused(tmp_path, sound[:-1])


@pytest.mark.parametrize("compression", [".gz", ".xz"])
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, compression: str) -> None:
    raw = Deb(FILES, compression=compression).bytes()
    sound = convert(SOUND.write(tmp_path), str(tmp_path / "sound"))
    chance = random.Random(7)
    for _ in range(150):
        place = chance.randrange(len(raw))
        flipped = bytearray(raw)
        flipped[place] ^= 1 << chance.randrange(8)
        (tmp_path / "flipped.deb").write_bytes(flipped)
        try:
            done = convert(str(tmp_path / "flipped.deb"), str(tmp_path / "stones"))
        except MossError as error:
            assert error.exit_code in (7, 11)
            continue
        # Dates and owners in ar headers, the time in a gzip header: what nobody reads.
        assert read_stone(done.stone).contents == read_stone(sound.stone).contents


@pytest.mark.parametrize("compression", ["", ".zst"])
def test_where_compression_has_no_check_the_packages_own_sums_are_compared(
    tmp_path: Path, compression: str
) -> None:
    sums = f"{hashlib.md5(b'tool' * 1000).hexdigest()}  usr/bin/tool\n"
    _, read = converted(Deb(FILES, control={"md5sums": sums}, compression=compression), tmp_path)
    assert "bin/tool" in read.entries
    (Path(tmp_path) / "stones" / Path(read.stone.name).name).unlink()
    wrong = Deb((*FILES[:1], Item("./usr/bin/tool", b"toal" * 1000)), control={"md5sums": sums})
    error = refused(tmp_path, replace(wrong, compression=compression).bytes())
    assert "'usr/bin/tool' is not what the package's md5sums say" in error.message


@pytest.mark.parametrize("compression", ["", ".zst"])
def test_a_flipped_bit_never_does_more_than_fail(tmp_path: Path, compression: str) -> None:
    raw = Deb(FILES, compression=compression).bytes()
    chance = random.Random(8)
    for _ in range(150):
        flipped = bytearray(raw)
        flipped[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        (tmp_path / "flipped.deb").write_bytes(flipped)
        try:
            convert(str(tmp_path / "flipped.deb"), str(tmp_path / "stones"))
        except MossError as error:
            assert error.exit_code in (7, 11)


def test_what_is_no_debian_package_is_refused(tmp_path: Path) -> None:
    assert "does not begin with '!<arch>'" in refused(tmp_path, b"PK\3\4 a zip file").message
    assert "does not begin with '!<arch>'" in refused(tmp_path, b"").message
    assert (
        "begins with the member 'debian-binary'; here there is none"
        in refused(tmp_path, b"!<arch>\n").message
    )
    assert "here it is 'x.o'" in refused(tmp_path, ar([("x.o", b"object")])).message


def test_a_format_of_later_times_is_said_to_be_one(tmp_path: Path) -> None:
    error = refused(tmp_path, ar([("debian-binary", b"3.0\n"), *SOUND.members()[1:]]))
    assert isinstance(error, FormatTooNew)


def test_a_missing_file_or_a_directory_is_the_askers_mistake(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no file .*none\.deb"):
        convert(str(tmp_path / "none.deb"), str(tmp_path / "stones"))
    with pytest.raises(UsageError, match="is a directory"):
        convert(str(tmp_path), str(tmp_path / "stones"))


def test_members_must_be_there_once_and_in_order(tmp_path: Path) -> None:
    first, control, data = SOUND.members()
    assert (
        "member control.tar is missing: 'data.tar.xz' follows" in refused(tmp_path, ar([first, data])).message
    )
    assert "member data.tar is missing: the file ends" in refused(tmp_path, ar([first, control])).message
    assert (
        "member data.tar is missing: 'control"
        in refused(tmp_path, ar([first, control, control, data])).message
    )
    assert "'data.tar.xz' has no place here" in refused(tmp_path, ar([first, control, data, data])).message
    assert "control.tar is missing" in refused(tmp_path, ar([first, ("control.tarball", b""), data])).message


def test_members_that_begin_with_an_underscore_are_passed_over(tmp_path: Path) -> None:
    first, control, data = SOUND.members()
    odd = ("_gpgorigin", b"odd")
    path = tmp_path / "signed.deb"
    path.write_bytes(ar([first, odd, control, odd, data, odd]))
    assert isinstance(convert(str(path), str(tmp_path / "stones")), Converted)


def test_names_of_members_may_end_in_a_slash(tmp_path: Path) -> None:
    path = tmp_path / "gnu.deb"
    path.write_bytes(ar([(f"{name}/", content) for name, content in SOUND.members()]))
    assert isinstance(convert(str(path), str(tmp_path / "stones")), Converted)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_file_that_compresses_to_almost_nothing_is_read_whole(tmp_path: Path, compression: str) -> None:
    _, read = converted(Deb([Item("./usr/zeros", bytes(5_000_001))], compression=compression), tmp_path)
    assert read.contents["zeros"] == bytes(5_000_001)


def test_a_size_in_a_pax_record_counts(tmp_path: Path) -> None:
    record = tar([Item("pax", b"10 size=5\n", type=tarfile.XHDTYPE)])[:1024]
    header = tar([Item("./usr/x")])[:512]
    path = tmp_path / "pax.deb"
    path.write_bytes(with_data(record + header + b"hello".ljust(512, b"\0") + bytes(1024)))
    read = read_stone(convert(str(path), str(tmp_path / "stones")).stone)
    assert read.contents == {"x": b"hello"}


def test_owners_beyond_every_bound_are_refused(tmp_path: Path) -> None:
    assert "beyond every bound" in refused(tmp_path, Deb([Item("./usr/x", uid=2**40)]).bytes()).message


def test_a_hard_link_to_a_directory_is_refused(tmp_path: Path) -> None:
    deb = Deb([folder("./usr/x/"), hard_link("./usr/y", "./usr/x")])
    assert "which is no file before it" in refused(tmp_path, deb.bytes()).message


def test_a_compression_that_moss_does_not_read_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, ar([*SOUND.members()[:2], ("data.tar.bz2", b"BZh9")]))
    assert "'data.tar.bz2' is compressed in a way that moss does not read" in error.message
    assert any("dpkg-deb" in remedy for remedy in error.remedies)


@pytest.mark.parametrize("size", [b"0x10      ", b"-1        ", b"          ", b"1 2       ", b"9999999999"])
def test_a_wrong_size_of_a_member_is_refused(tmp_path: Path, size: bytes) -> None:
    raw = bytearray(SOUND.bytes())
    raw[72 + 48 : 72 + 58] = size
    refused(tmp_path, bytes(raw))


def test_a_member_that_says_a_byte_too_much_or_too_little_is_refused(tmp_path: Path) -> None:
    for change in (-1, 1, -512, 512):
        raw = bytearray(SOUND.bytes())
        size = int(raw[72 + 48 : 72 + 58])
        raw[72 + 48 : 72 + 58] = b"%-10d" % (size + change)
        refused(tmp_path, bytes(raw))


@pytest.mark.parametrize("compression", [".gz", ".xz", ".zst"])
def test_bytes_behind_a_compressed_stream_are_refused(tmp_path: Path, compression: str) -> None:
    first, control, (name, data) = Deb(FILES, compression=compression).members()
    refused(tmp_path, ar([first, control, (name, data + b"more")]))


def test_an_xz_stream_that_asks_for_too_much_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    data = lzma.compress(SOUND.data_tar(), filters=filters)
    error = refused(tmp_path, ar([*SOUND.members()[:2], ("data.tar.xz", data)]))
    assert "memory" in error.message


@pytest.mark.parametrize("name", ["../../etc/passwd", "./usr/../../x", "./usr/lib/..", "/../x"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, Deb([Item(name, b"x")]).bytes())
    assert "leads out of the package" in error.message
    assert not (tmp_path / "x").exists()


def test_links_may_point_anywhere_and_nothing_is_written_through_them(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    _, read = converted(Deb([link("./usr/lib/out", str(outside))]), tmp_path)
    assert read.entries["lib/out"].link_target == str(outside)
    through = Deb([link("./usr/lib/out", str(outside)), Item("./usr/lib/out/x", b"x")])
    with pytest.raises(CorruptData, match="is no directory"):
        convert(through.write(tmp_path), str(tmp_path / "others"))
    assert not list(outside.iterdir())


def test_a_path_that_comes_twice_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path, Deb([Item("./usr/x", b"1"), Item("./usr/x", b"2")]).bytes())
    assert "the path 'usr/x' comes twice" in error.message


def test_a_directory_that_comes_twice_is_fine(tmp_path: Path) -> None:
    _, read = converted(Deb([folder("./usr/x/"), folder("./usr/x")]), tmp_path)
    assert list(read.entries) == ["x"]


def test_a_part_of_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "longer than 255 bytes" in refused(tmp_path, Deb([Item("./usr/" + "x" * 256)]).bytes()).message


def test_a_symlink_without_text_is_refused(tmp_path: Path) -> None:
    assert "leads nowhere" in refused(tmp_path, Deb([link("./usr/x", "")]).bytes()).message


def test_a_tar_of_many_more_bytes_than_the_file_is_refused_before_it_is_written(tmp_path: Path) -> None:
    bomb = Deb([Item("./usr/zeros", bytes(40_000_000))]).bytes()
    assert len(bomb) < 100_000
    error = refused(tmp_path, bomb, Limits(growth=100, free_bytes=1 << 20))
    assert "far more than its size makes likely" in error.message


def test_a_tar_of_too_many_files_is_refused(tmp_path: Path) -> None:
    many = Deb([Item(f"./usr/{number}") for number in range(101)]).bytes()
    assert "more than 100 files" in refused(tmp_path, many, Limits(entries=100)).message


def test_a_control_member_of_endless_size_is_refused(tmp_path: Path) -> None:
    deb = Deb(control={"postinst": "x" * (9 << 20)}, compression=".gz")
    assert "'postinst' in the control member takes" in refused(tmp_path, deb.bytes()).message


def test_a_package_without_a_control_file_is_refused(tmp_path: Path) -> None:
    control = tar([Item("./md5sums", b"")])
    first, _, data = SOUND.members()
    error = refused(tmp_path, ar([first, ("control.tar", control), data]))
    assert "holds no file 'control'" in error.message
    twice = tar([Item("./control", b"a"), Item("control", b"b")])
    assert "holds 'control' twice" in refused(tmp_path, ar([first, ("control.tar", twice), data])).message


def test_a_control_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    first, _, data = SOUND.members()
    control = tar([Item("./control", b"Package: caf\xe9\n")])
    assert "it is not UTF-8" in refused(tmp_path, ar([first, ("control.tar", control), data])).message


def test_tar_headers_that_are_wrong_are_refused(tmp_path: Path) -> None:
    sound = SOUND.data_tar()
    wrong_sum = bytearray(sound)
    wrong_sum[0] ^= 1
    assert "does not have the checksum it says" in refused(tmp_path, with_data(bytes(wrong_sum))).message
    assert "no octal number" in refused(tmp_path, with_data(_patched(sound, 124, b"0000000009z\0"))).message
    for number in (b"\xff" * 12, b"\x80" + b"\xff" * 11):
        assert "beyond every bound" in refused(tmp_path, with_data(_patched(sound, 124, number))).message
    assert "of the kind b'S'" in refused(tmp_path, with_data(_patched(sound, 156, b"S"))).message
    assert "plain byte" in refused(tmp_path, with_data(sound[:600])).message


def test_a_tar_without_its_end_is_refused(tmp_path: Path) -> None:
    whole = SOUND.data_tar()
    end = len(whole.rstrip(b"\0")) + (-len(whole.rstrip(b"\0")) % 512)
    assert "without their end mark" in refused(tmp_path, with_data(whole[:end])).message
    assert "without their end mark" in refused(tmp_path, with_data(b"")).message


def test_bytes_behind_the_end_of_a_tar_are_refused(tmp_path: Path) -> None:
    assert "bytes follow the end" in refused(tmp_path, with_data(SOUND.data_tar() + b"x" * 512)).message


@pytest.mark.parametrize(
    "record",
    [
        b"xx path=y\n",
        b"99 path=y\n",
        b"9 path=yy",
        b"0 path=\n",
        b"12 size=abc\n",
        b"30 GNU.sparse.realsize=123456\n",
        b"37 SCHILY.xattr.security.capability=\n",
        b"2088 SCHILY.xattr.user.x=" + bytes(2062) + b"\n",
    ],
)
def test_pax_records_that_are_wrong_are_refused(tmp_path: Path, record: bytes) -> None:
    refused(tmp_path, with_data(tar([Item("pax", record, type=tarfile.XHDTYPE), Item("./usr/x", b"")])))


def test_a_name_record_of_endless_size_is_refused(tmp_path: Path) -> None:
    long = Item("././@LongLink", b"x" * 100_000, type=tarfile.GNUTYPE_LONGNAME)
    error = refused(tmp_path, with_data(tar([long, Item("./usr/x", b"")])))
    assert "a record about the next entry takes" in error.message
    short = Item("././@LongLink", b"x" * 100, type=tarfile.GNUTYPE_LONGNAME)
    assert "a long name and nothing else" in refused(tmp_path, with_data(tar([short]))).message


def _patched(sound: bytes, place: int, value: bytes) -> bytes:
    """The first header changed, its checksum made right."""
    made = bytearray(sound)
    made[place : place + len(value)] = value
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made[:512])
    return bytes(made)


def test_the_same_file_always_gives_the_same_stone(tmp_path: Path) -> None:
    deb = Deb(FILES, "Depends: b, a\nProvides: z, y\n").write(tmp_path)
    first, second = (convert(deb, str(tmp_path / name)) for name in ("one", "two"))
    assert Path(first.stone).read_bytes() == Path(second.stone).read_bytes()
    assert first.digest == second.digest
    assert first.metadata.source_digest == f"sha256:{_sha256(deb)}"


def _sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _many(directory: Path, count: int) -> list[str]:
    return [
        Deb(FILES, f"Package: p{number}\nVersion: 1\nArchitecture: all\nDescription: x\n").write(
            directory, f"{number}.deb"
        )
        for number in range(count)
    ]


def test_many_are_converted_and_each_that_fails_is_told(tmp_path: Path) -> None:
    debs = _many(tmp_path, 8)
    Path(debs[3]).write_bytes(b"!<arch>\nbroken")
    done = list(convert_all(debs, str(tmp_path / "stones"), jobs=2))
    failed = [one for one in done if isinstance(one, Failed)]
    assert [one.deb for one in failed] == [debs[3]]
    assert isinstance(failed[0].error, CorruptData)
    assert failed[0].error.exit_code == 7
    assert failed[0].error.remedies
    stones = sorted(one.stone for one in done if isinstance(one, Converted))
    assert stones == sorted(str(path) for path in (tmp_path / "stones").iterdir())
    assert len(stones) == 7


def test_one_process_gives_the_same_stones_as_two(tmp_path: Path) -> None:
    debs = _many(tmp_path, 4)
    digests = [
        sorted(
            one.digest
            for one in convert_all(debs, str(tmp_path / name), jobs=jobs)
            if isinstance(one, Converted)
        )
        for name, jobs in (("one", 1), ("two", 2))
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 4


def test_two_files_that_say_they_are_one_package_are_refused_by_name(tmp_path: Path) -> None:
    debs = [Deb(FILES).write(tmp_path, "a.deb"), Deb(FILES[:2]).write(tmp_path, "b.deb")]
    done = list(convert_all(debs, str(tmp_path / "stones"), jobs=1))
    failed = [one for one in done if isinstance(one, Failed)]
    assert len(failed) == 1
    assert "a.deb" in failed[0].error.message
    assert "b.deb" in failed[0].error.message
    again = list(convert_all([debs[0], debs[0]], str(tmp_path / "again")))
    assert len(again) == 1


def test_stopping_early_leaves_only_whole_stones(tmp_path: Path) -> None:
    debs = _many(tmp_path, 100)
    results = convert_all(debs, str(tmp_path / "stones"), jobs=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(list((tmp_path / "stones").iterdir())) < 100
    for path in (tmp_path / "stones").iterdir():
        assert re.fullmatch(r"p\d+-1-1-1-noarch\.stone", path.name)
        read_stone(str(path))


def test_a_killed_process_is_an_error_not_a_wait_for_ever(tmp_path: Path) -> None:
    debs = _many(tmp_path, 2)
    os.mkfifo(tmp_path / "never.deb")  # opening it waits for a writer who never comes

    def kill_the_children() -> None:
        time.sleep(0.5)
        for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_children)
    killer.start()
    with pytest.raises(MossError, match="killed from outside"):
        list(convert_all([*debs, str(tmp_path / "never.deb")], str(tmp_path / "stones"), jobs=2))
    killer.join()
