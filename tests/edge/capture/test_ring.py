"""The ring of pcap files: bounded in size, time and number, whole at every moment, whatever the disk says."""

from __future__ import annotations

import resource
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from slbroker_edge.capture.messages import End, Seen
from slbroker_edge.capture.packets import Packets
from slbroker_edge.capture.pcap import HEADER, records
from slbroker_edge.capture.ring import Ring
from tests.support.capture import read_pcap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE, OTHER = End(b"\xc0\0\2\1", 5060), End(b"\xc0\0\2\2", 5062)


def record(data: bytes = b"x" * 72) -> bytes:
    """A record of 116 bytes."""
    return records(Packets().make(Seen("udp", ONE, OTHER, 1_700_000_000_000_000, data)), 1_700_000_000_000_000)


@pytest.fixture
def said() -> list[str]:
    return []


def ring(folder: Path, said: list[str], size: int = 500, seconds: float = 60.0, files: int = 3) -> Ring:
    return Ring(folder / "sip.pcap", size, seconds, files, said.append)


def test_files_are_bounded_and_the_oldest_goes(tmp_path: Path, said: list[str]) -> None:
    kept = ring(tmp_path, said)
    for number in range(40):
        assert kept.write(record(b"%072d" % number), 0.0)
        files = sorted(tmp_path.iterdir())
        assert len(files) <= 3
        assert all(path.stat().st_size <= 500 for path in files)
        assert read_pcap(files[-1])[-1].data == b"%072d" % number, "it can be read while it is written"
    kept.close()
    numbers = [packet.data for path in sorted(tmp_path.iterdir()) for packet in read_pcap(path)]
    assert numbers == [b"%072d" % number for number in range(40)][-len(numbers) :]
    assert len(numbers) > 8
    assert [path.name[:10] for path in sorted(tmp_path.iterdir())] == ["sip_00008_", "sip_00009_", "sip_00010_"]
    assert said == []


def test_time_begins_the_next_file(tmp_path: Path, said: list[str]) -> None:
    kept = ring(tmp_path, said, seconds=10.0)
    for now in (0.0, 9.9, 10.0, 12.0, 20.1):
        assert kept.write(record(), now)
    kept.close()
    assert [len(read_pcap(path)) for path in sorted(tmp_path.iterdir())] == [2, 2, 1]


def test_what_earlier_runs_have_left_counts(tmp_path: Path, said: list[str]) -> None:
    for _ in range(7):
        kept = ring(tmp_path, said)
        assert kept.write(record(), 0.0)
        kept.close()
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "sip_00001_20200101000000.pcapng").touch()  # not of this ring
    (tmp_path / "other_00001_20200101000000.pcap").touch()
    kept = ring(tmp_path, said)
    kept.write(record(), 0.0)
    kept.close()
    assert len(list(tmp_path.iterdir())) == 5


def test_files_are_for_their_owner_alone(tmp_path: Path, said: list[str]) -> None:
    kept = ring(tmp_path, said)
    kept.write(record(), 0.0)
    kept.close()
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Files of this process have so many bytes at most."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_whole_records_and_is_told_once(tmp_path: Path, said: list[str]) -> None:
    kept = ring(tmp_path, said, size=10_000)
    with small_disk(300):
        written = [kept.write(record(), 0.0) for _ in range(6)]
    assert written == [True, True, False, False, False, False]
    (path,) = tmp_path.iterdir()
    assert len(read_pcap(path)) == 2
    assert len(said) == 1
    assert "--pcap" in said[0]
    assert kept.write(record(), 0.0), "when there is room again it goes on"
    kept.close()
    assert len(read_pcap(path)) == 3


def test_a_disk_without_room_for_a_header_is_tried_again(tmp_path: Path, said: list[str]) -> None:
    kept = ring(tmp_path, said)
    with small_disk(len(HEADER) - 1):
        assert not kept.write(record(), 0.0)
    assert kept.write(record(), 10.0)
    kept.close()
    assert len(said) == 1


def test_a_folder_that_is_gone_is_tried_again_and_told_once(tmp_path: Path, said: list[str]) -> None:
    kept = ring(tmp_path / "logs", said)
    assert [kept.write(record(), now) for now in (0.0, 1.0, 6.0)] == [False] * 3
    assert len(said) == 1
    (tmp_path / "logs").mkdir()
    assert not kept.write(record(), 7.0), "not for each message"
    assert kept.write(record(), 12.0)
    kept.close()


@pytest.mark.parametrize("how", ["removed", "cut"])
def test_a_file_that_is_taken_away_is_followed_by_another(tmp_path: Path, said: list[str], how: str) -> None:
    """By hand, by tmpfiles; or by logrotate's copytruncate, which would leave a file with a hole and no header."""
    kept = ring(tmp_path, said, size=10_000)
    assert kept.write(record(b"1" * 72), 0.0)
    (path,) = tmp_path.iterdir()
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes(b"")
    assert kept.write(record(b"2" * 72), 0.0)
    assert kept.write(record(b"3" * 72), 0.0)
    kept.close()
    last = max(tmp_path.iterdir())
    assert [packet.data[:1] for packet in read_pcap(last)] == [b"2", b"3"]
    assert said == []
