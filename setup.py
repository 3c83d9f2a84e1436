"""The one part of the build that pyproject.toml cannot say: twins that will not compile are left out."""

from __future__ import annotations

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildIfPossible(build_ext):
    """Goes on without the compiled twin of slbroker.inner.pure, whatever the reason: the pure one serves."""

    def build_extension(self, ext: Extension) -> None:
        """Build `ext` or say it is left out: `optional` forgives the C compiler's errors, not Cython's."""
        try:
            super().build_extension(ext)
        except Exception as cause:
            self.warn(f"{ext.name} is left out ({type(cause).__name__}); slbroker will run its pure Python twin")


shared = [f"slbroker/inner/{name}.pxd" for name in ("compiled", "jobs", "msgpack", "ordinary", "signing")]
twins = [
    Extension(f"slbroker.inner.{name}", [f"slbroker/inner/{name}.pyx"], depends=shared, optional=True)
    for name in ("compiled", "jobs", "ordinary", "replying", "signing")
]
setup(ext_modules=twins, cmdclass={"build_ext": BuildIfPossible})
