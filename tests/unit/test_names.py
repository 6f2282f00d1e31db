from __future__ import annotations

import pytest

from signin.website.names import MAX_KNOWN_NAMES, MAX_LINKS, KnownNames, is_hidden, links


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ('<script type="module" src="assets/main.js">', "assets/main.js"),
        ("<link rel=stylesheet href=assets/main.css>", "assets/main.css"),
        ("<video poster='images/film.png'>", "images/film.png"),
        ('<a href = "guide/">', "guide/index.html"),
        ('<a href="./">', "index.html"),
        ('<img src="/images/a%20b.png?v=1#top">', "images/a b.png"),
        ('@import "print.css";', "print.css"),
        ("@font-face { src: url('./sans.woff2') }", "sans.woff2"),
        ("a { background: url(images/dots.png) }", "images/dots.png"),
        ('import{a}from"./chunk.js";', "chunk.js"),
        ('import "./polyfill.js"', "polyfill.js"),
        ('await import("./qr.js")', "qr.js"),
    ],
)
def test_linked_names_are_found(text: str, linked: str) -> None:
    assert links("index.html", text) == (linked,)


def test_links_are_relative_to_their_file() -> None:
    assert links("guide/styles/main.css", "url(../font.woff2) url(/dots.png)") == ("guide/font.woff2", "dots.png")


@pytest.mark.parametrize(
    "text",
    [
        '<a href="https://example.com/a.html">',
        '<a href="//example.com/a.html">',
        '<a href="mailto:a@example.com">',
        '<img src="data:image/png;base64,AAAA">',
        '<a href="http://[">',
        '<a href="a%00b">',
        '<a href="#top">',
        "This text is from a page.",
    ],
)
def test_links_to_other_places_are_ignored(text: str) -> None:
    assert links("index.html", text) == ()


def test_number_of_links_is_bounded() -> None:
    text = "".join(f'<a href="{number}.html"><a href="{number}.html">' for number in range(2 * MAX_LINKS))
    found = links("index.html", text)
    assert len(found) == len(set(found)) == MAX_LINKS


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".idea/workspace.xml", "a/.git/config", "a/b/.DS_Store", "._photo.jpg", "images/.favicon.svg.swp"),
        *("Thumbs.db", "a/desktop.ini", "a/Desktop.ini", "index.html~", "a/#index.html#", ".#index.html"),
        *(".well-known/.git/config", ".well-known.txt"),
    ],
)
def test_files_of_tools_are_hidden(name: str) -> None:
    assert is_hidden(name)


@pytest.mark.parametrize(
    "name", [".well-known/security.txt", "a.b/c.d", "~user/index.html", "a~b", "thumbs.db/index.html"]
)
def test_files_of_websites_are_not_hidden(name: str) -> None:
    assert not is_hidden(name)


def test_homepage_and_404_page_are_always_known() -> None:
    known = KnownNames()
    known.remove("index.html")
    assert "index.html" in known
    assert "404.html" in known
    assert "main.js" not in known


def test_directory_is_known_by_its_page() -> None:
    known = KnownNames()
    known.add(["guide/index.html"])
    assert "guide" in known
    known.remove("guide/index.html")
    assert "guide" not in known


def test_least_recently_used_name_is_forgotten() -> None:
    known = KnownNames()
    known.add(str(number) for number in range(MAX_KNOWN_NAMES))
    assert "0" in known
    known.add(["new"])
    assert ["0" in known, "1" in known, "2" in known, "new" in known] == [True, False, True, True]
