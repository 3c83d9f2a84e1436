"""A script is loaded as app_python3 loads it: name, folder, imports, how its functions are called; or is refused."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import ConfigError, PluginError
from slbroker.testing import Client
from slbroker_handlers.kemi.script import examine, load_script
from slbroker_handlers.loader import PluginSource, load_plugin
from tests.handlers.kemi.scripts import route, serve, write

if TYPE_CHECKING:
    from pathlib import Path


def reason(client: Client) -> str:
    """What the reply to a request says."""
    reply = client.request("INVITE")
    assert reply is not None
    return reply.reason


@pytest.mark.parametrize(
    ("imports", "expression"),
    [
        ("import KSR.pv", "KSR.pv.get('$rm')"),
        ("import KSR.pv as p", "p.get('$rm')"),
        ("from KSR.pv import get", "get('$rm')"),
        ("from KSR.pv import get as g", "g('$rm')"),
        ("from KSR import pv", "pv.get('$rm')"),
        ("import importlib; pv = importlib.import_module('KSR.pv')", "pv.get('$rm')"),
    ],
)
def test_ksr_is_imported_however_scripts_write_it(tmp_path: Path, imports: str, expression: str) -> None:
    assert reason(serve(tmp_path, f"KSR.sl.sl_send_reply(200, {expression})", before=imports)) == "INVITE"


def test_a_script_has_its_files_name_and_its_folder_comes_first(tmp_path: Path) -> None:
    client = serve(tmp_path, 'KSR.sl.sl_send_reply(200, f"{__name__} {sys.path[0]} {sys.modules[__name__].mod_init}")')
    assert reason(client).startswith(f"script {tmp_path} <function mod_init")


def test_a_neighbour_hides_a_library_as_in_kamailio(tmp_path: Path) -> None:
    """`this` is a module of Python's that nothing here has imported."""
    (tmp_path / "this.py").write_text("name = 'the neighbour'\n")
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, this.name)", before="import this")
    del sys.modules["this"]
    assert reason(client) == "the neighbour"


def test_a_script_called_as_a_library_leaves_it_to_others(tmp_path: Path) -> None:
    before = sys.modules["logging"]
    client = Client(load_script(write(tmp_path, route("KSR.sl.sl_send_reply(200, __name__)"), "logging.py")))
    assert reason(client) == "logging"
    assert sys.modules["logging"] is before


def test_workers_have_ranks_of_their_own(tmp_path: Path) -> None:
    script = route("KSR.sl.sl_send_reply(200, str(self.rank))").replace("return 0", "self.rank = rank")
    name = write(tmp_path, script)
    ranks = []
    for number in range(3):
        with Client(load_plugin(name, number)) as client:
            ranks.append(reason(client))
    assert ranks == ["1", "2", "3"]
    with Client(PluginSource(name, 4).load_again()) as client:
        assert reason(client) == "5"


def test_parameters_name_the_functions(tmp_path: Path) -> None:
    script = route("KSR.sl.sl_send_reply(200, f'{self.rank} {msg.Method}')").replace("return 0", "self.rank = rank")
    for old, new in {"mod_init": "begin", "child_init": "each", "ksr_request_route": "answer"}.items():
        script = script.replace(old, new)
    settings = (
        "app_python3.mod_init_function=begin",
        "app_python3.child_init_method=each",
        "kemi.request_route_callback=answer",
    )
    with Client(load_script(f"{write(tmp_path, script)}?{'&'.join(f'param={word}' for word in settings)}")) as client:
        assert reason(client) == "1 INVITE"


def test_parameters_name_the_functions_of_the_other_flavour(tmp_path: Path) -> None:
    script = """
    import KSR
    seen = []
    def begin():
        seen.append("begun")
    def each(rank):
        seen.append(rank)
    def ksr_request_route():
        KSR.sl.sl_send_reply(200, str(seen))
    """
    settings = "param=app_python3s.script_init=begin&param=app_python3s.script_child_init=each"
    with Client(load_script(f"{write(tmp_path, script)}?{settings}")) as client:
        assert reason(client) == "['begun', 1]"


def test_what_msg_can_do(tmp_path: Path) -> None:
    """Its results are those that Kamailio 5.6.3 gave."""
    client = serve(
        tmp_path,
        """
        seen = [msg.rewrite_ruri("sip:x@y"), KSR.pv.get("$ru"), msg.RURI]
        seen += [msg.set_dst_uri("sip:1.2.3.4"), KSR.pv.get("$du")]
        seen += [msg.call_function("has_totag"), msg.call_function("starts_with", "$rm", "INV")]
        try:
            msg.call_function("nonesuch")
        except RuntimeError as error:
            seen.append(type(error).__name__)
        msg.call_function("append_to_reply", "X-Seen: " + repr(seen))
        msg.call_function("sl_send_reply", "404", "No $rU")
        """,
    )
    reply = client.request("INVITE", "sip:bob@example.com")
    assert reply is not None
    expected = [None, "sip:x@y", "sip:bob@example.com", None, "sip:1.2.3.4", -1, 1, "RuntimeError"]
    assert (reply.status, reply.reason, reply.first("X-Seen")) == (404, "No x", repr(expected))


def test_the_old_logger_works_where_kamailio_has_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = 'Logger.LM_ERR("hello\\n")\nLogger.LM_GEN1(Logger.L_WARN, "general")\nKSR.sl.sl_send_reply(200, "OK")'
    client = serve(tmp_path, body, "version=5.8", before="from Router import Logger")
    assert reason(client) == "OK"
    said = [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "slbroker.kemi.script"]
    assert said == [(logging.ERROR, "hello"), (logging.WARNING, "general")]
    with pytest.raises(PluginError, match=r"script\.py:3: Router: Kamailio 6\.0 has taken it away"):
        serve(tmp_path, body, before="from Router import Logger")
    assert reason(serve(tmp_path, body, "allow-missing=1", before="from Router import Logger")) == "OK"


# Modules beside the script ----------------------------------------------------------------------------------------


def test_check_reads_the_modules_that_a_script_imports(tmp_path: Path) -> None:
    (tmp_path / "kemi_package").mkdir()
    (tmp_path / "kemi_package" / "__init__.py").write_text("from . import inner\nimport KSR\nKSR.info('x')\n")
    (tmp_path / "kemi_package" / "inner.py").write_text("import KSR\n\ndef never():\n    KSR.tm.t_relay()\n")
    (tmp_path / "kemi_helper.py").write_text(
        "import KSR\n\ndef go():\n    KSR.registrar.lookup()\n    KSR.pv.sget('a')\n"
    )
    (tmp_path / "unused.py").write_text("import KSR\nKSR.registrar.save()\n")
    name = write(tmp_path, route("kemi_helper.go()", before="import kemi_helper, kemi_package.inner, json"))
    found = examine(name)
    assert [(entry.title, entry.lines, entry.others) for entry in found.missing] == [
        ("KSR.registrar.lookup", (), ("kemi_helper.py:4",))
    ]
    assert [(entry.title, entry.others) for entry in found.unknown] == [("KSR.pv.sget", ("kemi_helper.py:5",))]
    assert [(entry.title, entry.others) for entry in found.unreached] == [
        ("KSR.tm.t_relay", ("kemi_package/inner.py:4",))
    ]
    assert [(entry.title, entry.others) for entry in found.whole] == [("KSR.info", ("kemi_package/__init__.py:3",))]
    assert "KSR.registrar.lookup  kemi_helper.py:4: there is no location service" in found.text()
    with pytest.raises(PluginError, match=r"kemi_helper\.py:4: KSR\.registrar\.lookup"):
        load_script(name)


def test_modules_that_import_one_another_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "kemi_one.py").write_text("import kemi_two\nimport KSR\nKSR.info('x')\n")
    (tmp_path / "kemi_two.py").write_text("import kemi_one, script\nimport KSR\nKSR.err('x')\n")
    found = examine(write(tmp_path, route("pass", before="import kemi_one")))
    assert {entry.title for entry in found.whole} == {"KSR.info", "KSR.err"}


def test_functions_without_a_class_are_the_other_flavour(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    name = write(
        tmp_path,
        """
        import KSR

        def script_init():
            KSR.info("init")

        def script_child_init(rank):
            KSR.info(f"child {rank}")

        def ksr_request_route():
            KSR.sl.sl_send_reply(404, KSR.pv.get("$rm"))
        """,
    )
    with Client(load_script(name)) as client:
        reply = client.request("INVITE")
    assert reply is not None
    assert reply.reason == "INVITE"
    assert "init" in caplog.text
    assert "child 1" in caplog.text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import KSR\ndef x(:\n", "script.py:2: "),
        ("import KSR\n1/0\n", "script.py:2: ZeroDivisionError"),
        ("import KSR\nimport nonesuch_module\n", "script.py:2: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", "script.py:2: SystemExit"),
        ("import KSR\n", "has neither mod_init() nor ksr_request_route()"),
        ("def mod_init():\n    pass\n", "mod_init() returned None"),
        ("def mod_init():\n    return 1/0\n", "script.py:2: mod_init() failed: ZeroDivisionError"),
        ("def mod_init():\n    return object()\n", "has no ksr_request_route(self, msg)"),
        (route("pass").replace("child_init", "other"), "has no child_init(self, rank)"),
        (
            "import KSR\ndef mod_init():\n    KSR.tm.t_relay()\n",
            "script.py:3: KSR.tm.t_relay: there are no transactions",
        ),
        (route("KSR.registrar.lookup()\nKSR.tm.t_relay()"), "1 more functions"),
        (route("KSR.sl.sned_reply(1, 'x')"), "no Kamailio up to 6.1 has such a function; is it spelt right?"),
    ],
)
def test_a_script_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(PluginError) as caught:
        load_script(write(tmp_path, text))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="there is no such file"):
        load_plugin(f"kemi:{tmp_path}/none.py")


def test_calls_that_are_never_made_do_not_matter(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        "KSR.sl.sl_send_reply(200, 'OK')",
        methods="def ksr_failure_manage(self, msg):\n    KSR.tm.t_relay()",
    )
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.status == 200


@pytest.mark.parametrize(
    "settings",
    ["param=core.nothing=1", "param=x", "what=1", "param=pike.remove_latency=soon", "param=htable.htable=a b"],
)
def test_a_setting_that_means_nothing_is_refused(tmp_path: Path, settings: str) -> None:
    with pytest.raises(ConfigError):
        load_script(write(tmp_path, route("pass")) + f"?{settings}")


def test_settings_reach_the_script(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        "KSR.sl.sl_send_reply(200, f\"{KSR.is_myself('sip:a@b.example')} {KSR.pv.get('$sht(t=>x)')}\")",
        "param=core.alias=b.example&param=htable.htable=t%3D%3Esize=8;initval=7",
    )
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.reason == "True 7"


def test_neighbours_can_be_imported_and_use_ksr(tmp_path: Path) -> None:
    (tmp_path / "kemi_neighbour.py").write_text("import KSR\n\ndef method():\n    return KSR.pv.get('$rm')\n")
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, kemi_neighbour.method())", before="import kemi_neighbour")
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.reason == "INVITE"


def test_a_changed_script_is_loaded_again(tmp_path: Path) -> None:
    name = write(tmp_path, route("KSR.sl.sl_send_reply(200, 'Old')"))
    source = PluginSource(name)
    load_plugin(name)
    assert source.files() == [tmp_path / "script.py"]
    write(tmp_path, route("KSR.sl.sl_send_reply(200, 'New')"))
    reply = Client(source.load_again()).request("INVITE")
    assert reply is not None
    assert reply.reason == "New"


def test_examining_does_not_run_the_script(tmp_path: Path) -> None:
    report = examine(write(tmp_path, "import KSR\nKSR.info('x')\n1/0\n"))
    assert [entry.title for entry in report.whole] == ["KSR.info"]
