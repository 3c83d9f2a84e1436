"""The pages that people read, in an editor and in a review as well as on a screen."""

from __future__ import annotations

import re

from tests.support.processes import ROOT

LONGEST = 150  # characters; rows of a table are as long as their cells
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "tests" / "lab" / "README.md"])


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


# What docs/design.md names that nothing here is called: stand-ins, a plugin, an argument, parameters of Via.
NOT_OURS = {"_name.pyx", "name.py", "redis.py", "now", "received", "rport"}


def absent(page: str) -> list[str]:
    """The files, folders, modules, classes and functions that a text has in backticks and the tree has not."""
    folders = [ROOT / name for name in ("slbroker", "edge", "handlers", "tests/lab/fuzz/targets")]
    files = [file for folder in folders for file in folder.rglob("*.py*") if file.suffix in (".py", ".pyx")]
    known = {name for file in files for name in (file.name, file.stem, file.parent.name)}
    for file in files:
        text = file.read_text("utf-8")
        known.update(re.findall(r"^ *(?:async )?(?:def|class|cpdef) (\w+)", text, re.MULTILINE))
        known.update(re.findall(r"^(\w+): TypeAlias", text, re.MULTILINE))

    def is_there(name: str) -> bool:
        if "/" in name:
            return any(
                (root / f"{name}{ending}").exists() for root in (ROOT, ROOT / "slbroker") for ending in ("", ".py")
            )
        return name in known or ("." in name and known.issuperset(name.split(".")))

    named = dict.fromkeys(re.findall(r"`([\w/.]+)`", page))
    return [name for name in named if name not in NOT_OURS and not is_there(name)]


def test_what_the_design_names_is_there() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert absent(page) == []
    assert page.count("`") % 2 == 0
    assert {name for name in NOT_OURS if f"`{name}`" not in page} == set()


OURS = r"(?:slbroker|edge|handlers|tests|docs|compose|findings)"
_find_paths = re.compile(rf"(?<![\w./:~$*-]){OURS}/(?:[\w.-]+/)*[\w-]*(?:\.[\w-]+)*(?![\w*{{(])").findall


def missing(text: str) -> list[str]:
    """The files and folders that a text names by their paths, and the tree has not; a last word in capitals is none."""
    paths = _find_paths(text)
    return [path for path in dict.fromkeys(paths) if not path[-1].isupper() and not (ROOT / path).exists()]


def test_the_paths_that_pages_and_docstrings_name_are_there() -> None:
    folders = [ROOT / name for name in ("slbroker", "edge", "handlers", "tests/support", "tests/lab", "tests/peers")]
    sources = [file for folder in folders for file in folder.rglob("*.p*") if file.suffix in (".py", ".pyx", ".pxd")]
    files = [*PAGES, *sources, ROOT / "Makefile", ROOT / "setup.py"]
    named = {str(file.relative_to(ROOT)): missing(file.read_text("utf-8")) for file in files}
    assert {file: paths for file, paths in named.items() if paths} == {}
    assert missing("see `tests/lab/README.md`, docs/gone.md and slbroker/inner.") == ["docs/gone.md", "slbroker/inner"]


def test_a_request_is_followed_in_twenty_files() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    walk = re.search(r"^## The way of a request\n(.*?)^Some requests", page, re.MULTILINE | re.DOTALL)
    words = re.search(r"^## Words\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    assert walk
    assert words
    files = re.findall(r"`([\w/]+\.py)`", walk[1])
    assert 12 <= len(files) == len(set(files)) <= 20
    assert len(re.findall(r"^\| (?:`|[a-z])", words[1], re.MULTILINE)) == 10 + 1, "ten words, and the head"


def test_what_is_not_there_is_noticed() -> None:
    gone = ["slbroker/inner", "slbroker/bus/job.py", "bus/job", "unsign", "Item.unsay", "udb.py"]
    there = ["slbroker/bus", "slbroker/bus/jobs.py", "bus/jobs", "unsigned", "Item.reply", "udp.py"]
    assert absent(" ".join(f"`{name}`" for name in (*gone, *there))) == gone
