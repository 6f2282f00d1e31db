"""Which files of the content are published, under which names, and the line for each one that is not."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from local.publishing.content import ROUTES, read_folder
from tests.support import function_app

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    write(folder / "index.html")
    return folder


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text")
    return path


@pytest.mark.parametrize(
    "name",
    [".env", ".idea/workspace.xml", "a/.git/config", "a/b/.DS_Store", "index.html~", "a/Thumbs.db", ".well-known/.x/y"],
)
def test_hidden_file_is_left_out_silently(folder: Path, name: str) -> None:
    write(folder / name)
    found = read_folder(folder)
    assert (list(found.files), found.refused) == (["index.html"], [])


def test_well_known_files_are_published(folder: Path) -> None:
    write(folder / ".well-known/security.txt")
    assert list(read_folder(folder).files) == [".well-known/security.txt", "index.html"]


@on_posix
@pytest.mark.parametrize("name", ["100%.txt", "50% off.txt", "a b.txt", "a&b=c;d+e.txt", "smile 😀.svg", "Index.html"])
def test_file_that_has_an_address_is_published(folder: Path, name: str) -> None:
    path = write(folder / name)
    assert read_folder(folder).files[name] == path


def test_name_is_composed(folder: Path) -> None:
    path = write(folder / unicodedata.normalize("NFD", "Café/é.txt"))
    assert read_folder(folder).files[unicodedata.normalize("NFC", "Café/é.txt")] == path


@on_posix
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a#b.txt", "the app serves no name with '#'"),
        ("a?b.txt", "the app serves no name with '?'"),
        ("a%23b.txt", "the app serves no name with '%'"),
        ("a\\b.txt", "the app serves no name with '\\\\'"),
        ("a\nb.txt", "invisible character"),
        ("a\u202eb.txt", "invisible character"),
        ("a.", "dot at the end of a name"),
        ("a./b.txt", "dot at the end of a name"),
        ("/".join(["a" * 250] * 5), "too long"),
        *((name, "route of this name") for name in (*ROUTES, "Stats", "api/stats", "stats/index.html")),
    ],
)
def test_name_without_an_address_is_one_line(folder: Path, name: str, reason: str) -> None:
    write(folder / name)
    found = read_folder(folder)
    assert list(found.files) == ["index.html"]
    (line,) = found.refused
    assert line.startswith(f"{name} is not published: ")
    assert reason in line


@on_posix
@pytest.mark.skipif(sys.platform == "darwin", reason="file systems of macOS refuse such a name")
def test_name_in_another_encoding_is_one_line(folder: Path) -> None:
    write(folder / os.fsdecode(b"caf\xe9.txt"))
    (line,) = read_folder(folder).refused
    assert "invisible character" in line


def test_second_form_of_a_name_is_one_line(folder: Path) -> None:
    forms = [unicodedata.normalize(form, "é.txt") for form in ("NFC", "NFD")]
    if write(folder / forms[0]).exists() and (folder / forms[1]).exists():
        pytest.skip("This file system does not distinguish them")
    write(folder / forms[1])
    found = read_folder(folder)
    assert found.files.keys() == {"index.html", forms[0]}
    assert found.refused == [f"{forms[0]} is not published: another file has this name in another form of Unicode."]


def link_outside(folder: Path) -> None:
    (folder / "x").symlink_to(write(folder.parent / "secret"))


def link_to_folder(folder: Path) -> None:
    write(folder / ".well-known/a/b")
    (folder / "x").symlink_to(folder / ".well-known/a", target_is_directory=True)


def link_to_hidden_file(folder: Path) -> None:
    (folder / "x").symlink_to(write(folder / ".env"))


def broken_link(folder: Path) -> None:
    (folder / "x").symlink_to(folder / "removed")


def link_to_itself(folder: Path) -> None:
    (folder / "x").symlink_to(folder / "x")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "x")


@on_posix
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (link_outside, "a link to a place outside"),
        (link_to_folder, "a link to a folder"),
        (link_to_hidden_file, "a link to a hidden file"),
        (broken_link, "a link to a file that does not exist"),
        (link_to_itself, "a link to a file that does not exist"),
        (pipe, "not a regular file"),
    ],
)
def test_file_that_is_none_is_one_line(folder: Path, make: Callable[[Path], None], reason: str) -> None:
    make(folder)
    found = read_folder(folder)
    assert "x" not in found.files
    (line,) = found.refused
    assert line.startswith("x is not published: it is ")
    assert reason in line


@on_posix
def test_link_within_the_folder_is_published(folder: Path) -> None:
    (folder / "start.html").symlink_to("index.html")
    assert list(read_folder(folder).files) == ["index.html", "start.html"]


def test_unreadable_file_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "x")  # root may read all files
    write(folder / "x")
    found = read_folder(folder)
    assert list(found.files) == ["index.html"]
    assert found.refused == ["x is not published: it cannot be read; change its permissions or its owner."]


def test_unreadable_folder_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "a/b")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert read_folder(folder).refused == ["a/ is not published: it cannot be read (Permission denied)."]


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    """Otherwise all that is published would be deleted."""
    with pytest.raises(FileNotFoundError):
        read_folder(tmp_path / "content")


def test_routes_are_those_of_the_app() -> None:
    assert sorted(ROUTES) == sorted(function_app.load().methods_of)
