"""Partitions on disk, read without the system under test: Kafka's own layout, so that it serves
Isthmus and Apache Kafka alike. CRCs are left to Kafka's DumpLogSegments (kafka.dump_log)."""

import struct
from pathlib import Path
from typing import Iterator, NamedTuple

from .processes import Failed

_HEADER = struct.Struct(">qiibIhi")  # base offset .. last offset delta
_BEFORE_LENGTH = 12                  # base offset and the length itself


class Batch(NamedTuple):
    base_offset: int
    last_offset: int
    leader_epoch: int
    data: bytes  # all of it, header included


def segments(partition: Path) -> list[Path]:
    return sorted(Path(partition).glob("*.log"))


def batches(partition: Path) -> Iterator[Batch]:
    """Every batch in order of offsets. A torn tail of the last segment ends it; anything else that
    is no batch, or that goes back, is Failed."""
    next_offset = 0
    files = segments(partition)
    for file in files:
        data, at = file.read_bytes(), 0
        while at + _HEADER.size <= len(data):
            base, length, epoch, magic, _, _, delta = _HEADER.unpack_from(data, at)
            end = at + _BEFORE_LENGTH + length
            if length == 0 and base == 0 and file == files[-1] and not any(data[at:]):
                break  # space that was reserved and never written
            if end > len(data):
                break
            if magic != 2 or base < next_offset or length <= _HEADER.size - _BEFORE_LENGTH:
                raise Failed(f"{file}: at {at}: magic {magic}, offset {base} after "
                             f"{next_offset - 1}, length {length}: no batch")
            yield Batch(base, base + delta, epoch, data[at:end])
            next_offset, at = base + delta + 1, end
        if any(data[at:]) and file != files[-1]:
            raise Failed(f"{file}: torn at {at}, and not the last segment")


def hold_prefix(source: Path, target: Path) -> int:
    """Failed unless the target's batches are, byte for byte, the source's, from the target's first
    to its last; returns the offset after its last. What retention has taken from the source's
    front is not compared."""
    originals = batches(source)
    original = next(originals, None)
    end = 0  # after the last batch that both hold
    for copy in batches(target):
        # Up to the first that both hold, either may lack what the other's retention has kept.
        if original is not None and copy.last_offset < original.base_offset and not end:
            continue
        while original is not None and original.last_offset < copy.base_offset and not end:
            original = next(originals, None)
        if original is None:
            raise Failed(f"{target}: offset {copy.base_offset} is beyond the end of {source}")
        if original.data != copy.data:
            raise Failed(f"{target}: the batch at {copy.base_offset}..{copy.last_offset} is not "
                         f"the source's at {original.base_offset}..{original.last_offset}")
        end = copy.last_offset + 1
        original = next(originals, None)
    return end


def partitions(data: Path, topic: str) -> dict[int, Path]:
    """Partition number -> folder, of one topic in a broker's data directory."""
    found = {}
    for folder in Path(data).glob(f"{topic}-*"):
        number = folder.name[len(topic) + 1:]
        if folder.is_dir() and number.isdigit():
            found[int(number)] = folder
    return dict(sorted(found.items()))
