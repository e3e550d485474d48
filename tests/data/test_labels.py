from __future__ import annotations

import pytest

from latentia.data import ImagePreprocessing, attach, encode_labels, open_source, read_labels
from latentia.errors import DataError, FileError, OptionError

FORM = ImagePreprocessing(height=8, width=8, channels=1)


def test_labels_are_numbered_in_their_natural_order():
    numbers, names = encode_labels(["10", "9", "", None, "a"])
    assert names == ("9", "10", "a")
    assert numbers.tolist() == [1, 0, -1, -1, 2]
    numbers, names = encode_labels([3.0, float("nan"), -1, 0])
    assert names == ("0", "3")
    assert numbers.tolist() == [1, -1, -1, 0]


def test_a_table_replaces_its_heads_and_keeps_others(photos, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file_name,label,mood\ncat/00.png,lynx,\n./dog/11.png,,happy\n")
    dataset = open_source(photos, labels=table).load(FORM)
    assert dataset.label_names == {"label": ("lynx",), "mood": ("happy",)}
    assert dataset.labels["label"].tolist() == [0] + [-1] * 11
    assert dataset.labels["mood"].tolist() == [-1] * 11 + [0]
    other = tmp_path / "mood.csv"
    other.write_text("file_name,mood\ncat/01.png,sad\n")
    later = attach(dataset, read_labels(other))
    assert later.label_names == {"label": ("lynx",), "mood": ("sad",)}
    assert dataset.label_names["mood"] == ("happy",)


def test_labels_for_files_that_do_not_exist_are_refused(photos, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file_name,label\n" + "".join(f"gone{i}.png,a\n" for i in range(5)))
    with pytest.raises(DataError, match=r"5 file\(s\).*gone0.png, gone1.png, gone2.png \.\.\."):
        open_source(photos, labels=table)
    with pytest.raises(DataError, match=r"gone0\.png"):
        attach(open_source(photos).load(FORM), read_labels(table))


def test_labels_of_a_file_that_had_to_be_skipped_are_no_error(photos, tmp_path):
    (photos / "cat" / "bad.png").write_bytes(b"")
    table = tmp_path / "labels.csv"
    table.write_text("file_name,label\ncat/bad.png,a\ncat/00.png,b\n")
    dataset = open_source(photos, labels=table).load(FORM)
    assert len(dataset) == 12
    assert dataset.label_names == {"label": ("b",)}


def test_labels_need_file_names(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file_name,label\na.png,a\n")
    with pytest.raises(OptionError, match="file names"):
        open_source("digits", labels=table)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "file_name"),
        ("name,label\na,b\n", "found: name, label"),
        ("file_name;label\na.png;b\n", "separated by commas"),
        ("file_name,label,label\n", "different names"),
        ("file_name,label\na.png\n", "Line 2"),
        ("file_name,label\n,cat\n", "Line 2"),
        ("file_name,label\na.png,cat\na.png,dog\n", "two values"),
        ('file_name,label\n"a.png,cat\n', "CSV"),
    ],
)
def test_wrong_tables_are_explained(tmp_path, text, words):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_labels(tmp_path / "labels.csv")


def test_unreadable_tables_are_explained(tmp_path):
    with pytest.raises(FileError, match="no file"):
        read_labels(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_bytes(b"file_name,label\n\xff\xfe\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_labels(tmp_path / "labels.csv")


def test_metadata_replaces_heads_below_its_folder(photos):
    (photos / "cat" / "metadata.csv").write_text("\ufefffile_name,label,age\n00.png,kitten,1\n01.png,,\n", "utf-8")
    dataset = open_source(photos).load(FORM)
    names = dataset.label_names["label"]
    labels = [names[i] if i >= 0 else "" for i in dataset.labels["label"]]
    assert labels == ["kitten", *[""] * 6, *["dog"] * 5]
    assert dataset.labels["age"].tolist() == [0] + [-1] * 11
    (photos / "metadata.csv").write_text("file_name,label\ndog/99.png,x\n")
    with pytest.raises(DataError, match=r"dog/99\.png"):
        open_source(photos)


def test_manifest(photos):
    manifest = photos / "list.csv"
    manifest.write_text("file_name,label,word\ndog/11.png,b,\ncat/00.png,a,hello\n")
    dataset = open_source(manifest).load(FORM)
    assert dataset.file_names == ("dog/11.png", "cat/00.png")
    assert dataset.labels["label"].tolist() == [1, 0]
    assert dataset.label_names["word"] == ("hello",)
    manifest.write_text("file_name\ndog/11.png\ncat/77.png\n")
    with pytest.raises(DataError, match=r"cat/77\.png"):
        open_source(manifest)
    manifest.write_text("file_name\n")
    with pytest.raises(DataError, match="names no files"):
        open_source(manifest)


def test_a_row_that_is_repeated_is_reported(photos):
    (photos / "list.csv").write_text("file_name,word\ncat/00.png,a\n./cat/00.png,\ncat/01.png,b\n")
    dataset = open_source(photos / "list.csv").load(FORM)
    assert dataset.file_names == ("cat/00.png", "cat/01.png")
    assert [(problem.file_name, problem.kind) for problem in dataset.problems] == [("cat/00.png", "repeated")]


def test_a_manifest_may_name_files_elsewhere(photos, tmp_path):
    (tmp_path / "lists").mkdir()
    manifest = tmp_path / "lists" / "list.csv"
    manifest.write_text(f"file_name\n../photos/cat/00.png\n{photos}/dog/11.png\n")
    assert len(open_source(manifest).load(FORM)) == 2


def test_the_order_of_classes_does_not_depend_on_hashes():
    assert encode_labels(["01", "1", "001"])[1] == ("001", "01", "1")
    assert encode_labels(["9" * 5000, "8"])[1] == ("8", "9" * 5000)


def test_endless_numbers_are_classes_too():
    assert encode_labels([float("inf"), 2.5, True])[1] == ("1", "2.5", "inf")
