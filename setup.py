"""What pyproject.toml cannot say: twins that will not compile are left out, and where the project is found.

Nothing in a checkout knows the address that it is published at. Whoever publishes gives it to the build,
SLBROKER_REPOSITORY=https://..., and it becomes the project's URLs and what the README's links and images begin with; a
source distribution remembers it. Without it the README of a package has no images, and its links are words.
"""

from __future__ import annotations

import os
import re
from email.parser import HeaderParser
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent
SOURCE = "Source"  # the name of the URL from which the others follow


class BuildIfPossible(build_ext):
    """Goes on without a compiled twin (slbroker/twins.py), whatever the reason: the pure ones serve."""

    def build_extension(self, ext: Extension) -> None:
        """Build `ext` or say it is left out: `optional` forgives the C compiler's errors, not Cython's."""
        try:
            super().build_extension(ext)
        except Exception as cause:
            self.warn(f"{ext.name} is left out ({type(cause).__name__}); slbroker will run in pure Python")
            for inplace in (False, True):  # one of an older source knows other objects than those beside it do
                self.inplace = inplace
                Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)


def repository() -> str:
    """Return where the project is published, "" where nobody has said."""
    given = os.environ.get("SLBROKER_REPOSITORY", "")
    about = HERE / "PKG-INFO"
    if not given and about.exists():  # in a source distribution
        for line in HeaderParser().parsestr(about.read_text(encoding="utf-8")).get_all("Project-URL", []):
            name, _, url = line.partition(", ")
            given = url if name == SOURCE else given
    return given.rstrip("/")


def project_urls(home: str) -> dict[str, str]:
    """Return the URLs as GitHub, GitLab and Forgejo have them."""
    if not home:
        return {}
    return {
        "Homepage": home,
        SOURCE: home,
        "Documentation": f"{home}/blob/HEAD/docs/handlers.md",
        "Changelog": f"{home}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }


def readme(home: str) -> str:
    """Return the README as it reads where there are no files beside it, such as on a package index."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    if not home:
        text = re.sub(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n+", "", text, flags=re.MULTILINE)
        return re.sub(r"\[([^\]]*)\]\((?!https?:|#)[^)]*\)", r"\1", text)
    text = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\1{home}/raw/HEAD/", text)
    return re.sub(r"((?<!!)\[[^\]]*\]\()(?!https?:|#)", rf"\1{home}/blob/HEAD/", text)


PACKAGES = ("slbroker", "edge/slbroker_edge")  # those that have compiled twins


def twins() -> list[Extension]:
    """Return the compiled twins: each `_name.pyx`, beside the module whose functions it does faster."""
    packages = [HERE / package for package in PACKAGES]
    shared = [path.relative_to(HERE).as_posix() for package in packages for path in sorted(package.rglob("*.pxd"))]
    found = [
        Extension(
            ".".join(path.relative_to(package.parent).with_suffix("").parts),
            [path.relative_to(HERE).as_posix()],
            depends=shared,
            optional=True,
        )
        for package in packages
        for path in sorted(package.rglob("*.pyx"))
    ]
    for extension in found:
        # Where those of one package find the declarations of another's, wherever this is run from.
        extension.cython_include_dirs = [str(HERE)]
        extension.cython_directives = {"language_level": 3, "boundscheck": False, "wraparound": False}
    return found


if __name__ == "__main__":
    setup(
        ext_modules=twins(),
        cmdclass={"build_ext": BuildIfPossible},
        long_description=readme(repository()),
        long_description_content_type="text/markdown",
        project_urls=project_urls(repository()),
    )
