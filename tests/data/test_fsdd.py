from __future__ import annotations

import gzip
import io
import lzma
import tarfile

import numpy as np
import pytest
import soundfile

from latentia.data import archives, fetch_named, open_source
from latentia.data.archives import RemoteArchive, content_digest, decode_clip, read_archive
from latentia.data.fetch import download_path
from latentia.data.fsdd import ARCHIVE, Fsdd
from latentia.errors import DataError, FileError

MEMBERS = ARCHIVE.members
PACKING = {"tar": bytes, "tar.gz": gzip.compress, "tar.xz": lzma.compress}


def wav(seed: int, samples: int = 800) -> bytes:
    content = io.BytesIO()
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, samples)
    soundfile.write(content, noise, 8000, format="WAV", subtype="PCM_16")
    return content.getvalue()


def tar(entries, top: str = "some-folder/") -> bytes:
    """Packs pairs of a name, or a whole header, and a content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for header, content in entries:
            member = header if isinstance(header, tarfile.TarInfo) else tarfile.TarInfo(top + header)
            if member.isreg():
                member.size = member.size or len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


RECORDINGS = {f"{digit}_{who}_{take}.wav": wav(100 * digit + take) for digit in (0, 7) for who in ("ann", "bo")
              for take in (0, 4, 5, 9)}  # fmt: skip
TREE = [("README.md", b"hello"), *((f"recordings/{name}", content) for name, content in RECORDINGS.items())]


@pytest.mark.parametrize("ending", PACKING)
def test_recordings_are_the_same_from_any_packing(tmp_path, ending):
    path = tmp_path / f"set.{ending}"
    for content in (tar(TREE), tar(reversed(TREE), top="free-1.0/"), tar(TREE, top="")):
        path.write_bytes(PACKING[ending](content))
        assert read_archive(path, MEMBERS) == RECORDINGS


def test_split_and_labels(tmp_path):
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "fsdd.tar.xz").write_bytes(gzip.compress(tar(TREE)))  # what it is, not what it is called
    entry = Fsdd(RemoteArchive("speech/fsdd.tar.xz", (), content_digest(RECORDINGS), MEMBERS))
    train, test = (entry.read(split, tmp_path) for split in entry.splits)
    assert test.names == tuple(name for name in sorted(RECORDINGS) if name[-5] in "04")
    assert len(train) == len(test) == 8
    assert test.heads["word"] == ("zero",) * 4 + ("seven",) * 4
    assert test.heads["speaker"] == ("ann", "ann", "bo", "bo") * 2
    waveform, rate = train.read(0)
    assert (waveform.shape, waveform.dtype, rate) == ((800,), np.float32, 8000)
    np.testing.assert_array_equal(waveform, soundfile.read(io.BytesIO(RECORDINGS[train.names[0]]), dtype="float32")[0])


def test_a_recording_that_was_changed_is_noticed(tmp_path):
    entry = Fsdd(RemoteArchive("x.tar", (), content_digest(RECORDINGS), MEMBERS))
    for changed in (TREE[:-1], [*TREE[:-1], (TREE[-1][0], wav(1))], [*TREE, ("recordings/1_eve_0.wav", b"more")]):
        (tmp_path / "x.tar").write_bytes(tar(changed))
        with pytest.raises(DataError, match="another content than what was published"):
            entry.read("train", tmp_path)


def test_download(tmp_path, server):
    (tmp_path / "site" / "x.tar.gz").write_bytes(gzip.compress(b"<html>"))
    file = RemoteArchive("speech/x.tar.gz", (server + "x.tar.gz",), content_digest(RECORDINGS), MEMBERS)
    with pytest.raises(DataError, match="get it again"):
        Fsdd(file).read("test", None)
    (tmp_path / "site" / "x.tar.gz").write_bytes(gzip.compress(tar(TREE)))
    assert len(Fsdd(file).read("test", None)) == 8
    assert download_path(file).is_file()


def _link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_paths_and_links_lead_nowhere(tmp_path):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(3))
    hostile = [
        (tarfile.TarInfo("/recordings/1_abs_0.wav"), b"x"),
        (tarfile.TarInfo("../../recordings/1_up_0.wav"), b"x"),
        (tarfile.TarInfo("a/recordings/../1_up_1.wav"), b"x"),
        (_link("a/recordings/1_soft_0.wav", tarfile.SYMTYPE, str(secret)), b""),
        (_link("a/recordings/1_hard_0.wav", tarfile.LNKTYPE, str(secret)), b""),
        (_link("a/recordings/1_pipe_0.wav", tarfile.FIFOTYPE, ""), b""),
        ("recordings/1_eve_0.wav", b"kept"),
    ]
    path = tmp_path / "x.tar"
    path.write_bytes(tar(hostile))
    assert read_archive(path, MEMBERS) == {"1_eve_0.wav": b"kept"}
    assert sorted(tmp_path.iterdir()) == [secret, path]


def _claims(size: int) -> bytes:
    member = tarfile.TarInfo("a/recordings/1_eve_0.wav")
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def test_huge_members_are_refused(tmp_path):
    path = tmp_path / "x.tar"
    path.write_bytes(_claims(2**40))
    with pytest.raises(DataError, match="is no short recording"):
        read_archive(path, MEMBERS)


def test_what_swells_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_ARCHIVE", 2**20)
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(tar([("zeros", bytes(2**21))])))
    with pytest.raises(DataError, match="unpacks to more than 1 MiB"):
        read_archive(path, MEMBERS)


def _nested_headers() -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 4
    return (member.tobuf(tarfile.GNU_FORMAT) + b"name".ljust(512, b"\0")) * 5000


DAMAGED = {
    "cut in a file": tar(TREE)[:2500],
    "cut gzip": gzip.compress(tar(TREE))[:-100],
    "cut xz": lzma.compress(tar(TREE))[:-100],
    "claims more than it has": _claims(1000) + b"abc",
    "a page": b"<html>" * 200,
    "empty": b"",
    "headers of headers": _nested_headers(),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_archives_are_explained(tmp_path, content):
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged or cut off"):
        read_archive(path, MEMBERS)


def test_missing_archives_and_folders_are_explained(tmp_path):
    for path in (tmp_path / "none.tar", tmp_path):
        with pytest.raises(FileError, match="Cannot read"):
            read_archive(path, MEMBERS)


@pytest.mark.parametrize("content", [b"", b"text, not sound", wav(0)[:30]], ids=["empty", "text", "cut"])
def test_what_is_no_sound_is_named(content):
    with pytest.raises(DataError, match=r"^1_eve_0\.wav cannot be read as sound"):
        decode_clip(content, "1_eve_0.wav")


def test_channels_are_mixed_down():
    content = io.BytesIO()
    soundfile.write(content, np.array([[0.5, -0.25]] * 10), 16000, format="FLAC")
    waveform, rate = decode_clip(content.getvalue(), "x")
    assert rate == 16000
    np.testing.assert_allclose(waveform, 0.125, atol=1e-4)


def test_fsdd_from_the_mirror(mirror):
    entry = Fsdd()
    train, test = (entry.read(split, mirror) for split in entry.splits)
    assert (len(train), len(test)) == (2700, 300)
    for clips, each in ((train, 45), (test, 5)):
        pairs = list(zip(clips.heads["word"], clips.heads["speaker"], strict=True))
        assert len(set(pairs)) == 60
        assert all(pairs.count(pair) == each for pair in set(pairs))
    assert set(test.heads["speaker"]) == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}
    assert {test.read(number)[1] for number in range(0, 300, 25)} == {8000}


def test_fsdd_by_its_name(mirror):
    assert fetch_named("fsdd", mirror) == {"train": 2700, "test": 300}
    source = open_source("fsdd", mirror=mirror)
    assert (source.kind, source.splits) == ("speech", ("train", "test"))


def test_the_pattern_takes_recordings_only():
    assert MEMBERS.fullmatch("free-spoken-digit-dataset-1.0.10/recordings/3_theo_12.wav")
    assert not any(map(MEMBERS.fullmatch, ("a/b/recordings/3_theo_12.wav", "a/recordings/3_theo_12.wav.exe")))
