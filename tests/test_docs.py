"""The pages that people read, in an editor and in a review as well as on a screen."""

from __future__ import annotations

import re

from tests.support.processes import ROOT

LONGEST = 150  # characters; rows of a table are as long as their cells
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_the_pages_of_a_project_are_there() -> None:
    names = {page.name for page in PAGES}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "design.md", "security.md"} <= names


def test_no_line_of_a_page_is_longer_than_an_editor_is_wide() -> None:
    long = [
        f"{page.relative_to(ROOT)}:{number} has {len(line)} characters"
        for page in PAGES
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LONGEST and not line.lstrip().startswith("|")
    ]
    assert long == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if not link.startswith("http") and not (page.parent / link).exists()
    ]
    assert broken == []


def test_the_commands_that_contributors_are_told_are_there() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for line in re.findall(r"\bmake ((?:[a-z-]+ ?)+)", told) for word in line.split()}
    named &= targets | {"lint", "types", "quick", "test", "setup"}
    assert {"setup", "quick", "test", "lint", "types"} <= named <= targets
    folders = set(re.findall(r"`(tests/\w+)`", told))
    assert {folder for folder in folders if not (ROOT / folder).is_dir()} == set()


def test_the_changelog_tells_nothing_twice() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entries = [" ".join(entry.split()) for entry in re.findall(r"^- (.*(?:\n  .*)*)", text, re.MULTILINE)]
    sentences = [said for entry in entries for said in re.split(r"(?<=[.:;]) ", entry) if len(said) > 40]
    assert len(entries) > 50
    assert sorted({said for said in sentences if sentences.count(said) > 1}) == []
