"""The project that `slbroker new` writes."""

from __future__ import annotations

import keyword
import sys
from typing import TYPE_CHECKING, Final

from slbroker.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_PLUGIN: Final = '''\
"""{title}: what becomes of each request.

slbroker run --plugin {module}.py --reload
"""

from slbroker import Handlers

app = Handlers()


@app.on("OPTIONS")
def keepalive(request):
    """Be seen alive by dispatchers."""
    return request.reply(200, headers={{"Accept": "application/sdp"}})


@app.on("INVITE", user="900*")
def premium(request):
    return request.reply(403, "No Premium Numbers")


@app.otherwise
def unknown(request):
    return request.reply(404)
'''

_TEST: Final = """\
import pytest
from slbroker.testing import Client

from {module} import app


@pytest.mark.parametrize(
    ("method", "uri", "status"),
    [
        ("OPTIONS", "sip:example.com", 200),
        ("INVITE", "sip:900123@example.com", 403),
        ("INVITE", "sip:bob@example.com", 404),
    ],
)
def test_answers(method, uri, status):
    assert Client(app).request(method, uri).status == status
"""

_PYPROJECT: Final = """\
[project]
name = "{project}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = []  # slbroker is there already; name it where your package index has it

[tool.pytest.ini_options]
pythonpath = ["."]

[tool.setuptools]
py-modules = ["{module}"]
"""

_RULES: Final = """\
# The same without Python: slbroker run --plugin rules.toml

[[on]]
method = "OPTIONS"
reply = "200"

[[on]]
method = "INVITE"
user = "900*"
reply = "403 No Premium Numbers"

[otherwise]
reply = "404"
"""

_README: Final = """\
# {title}

    python3 -m pytest                                  # the tests; they want pytest in slbroker's environment
    {run:<50} # serve on 127.0.0.1:5060; a change is taken up as it is saved
    slbroker ping sip:127.0.0.1:5060                   # in another terminal: 200 OK
    {explain:<50} # what becomes of one request
    slbroker run --plugin rules.toml                   # the same, without Python
"""

_REQUEST: Final = """\
INVITE sip:900123@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1
Max-Forwards: 70
From: <sip:alice@example.com>;tag=1
To: <sip:900123@example.com>
Call-ID: 1@192.0.2.1
CSeq: 1 INVITE
Contact: <sip:alice@192.0.2.1>
Content-Length: 0

"""


def write_project(folder: Path) -> list[Path]:
    """Write the project into `folder`, which must not exist; return its files. Raises ConfigError."""
    project = folder.name
    module = project.replace("-", "_")
    taken = sys.stdlib_module_names | {"slbroker", "pytest", "test"}  # a neighbour of that name would shadow it
    if module in taken:
        raise ConfigError(f"{project!r} is the name of a module that Python has; choose another, such as my-{project}")
    if not module.isidentifier() or not module.isascii() or keyword.iskeyword(module):
        raise ConfigError(f"{project!r} cannot be a module's name; use letters, digits and -, such as my-answers")
    words = {
        "project": project,
        "module": module,
        "title": project.replace("-", " ").replace("_", " ").capitalize(),
        "run": f"slbroker run --plugin {module}.py --reload",
        "explain": f"slbroker explain request.sip --plugin {module}.py",
    }
    files = {
        f"{module}.py": _PLUGIN,
        f"test_{module}.py": _TEST,
        "pyproject.toml": _PYPROJECT,
        "rules.toml": _RULES,
        "README.md": _README,
    }
    try:
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text.format(**words), encoding="utf-8")
        (folder / "request.sip").write_text(_REQUEST, encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{folder} exists and stays as it is; choose another name") from None
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}") from None
    return [folder / name for name in (*files, "request.sip")]
