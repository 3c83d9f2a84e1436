"""--kemi-version: the release of Kamailio that KSR follows, wherever it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.errors import ConfigError, Exit
from slbroker.testing.factory import RequestFactory
from slbroker_handlers.kemi.release import NEWEST, RELEASES, name_release, read_release
from slbroker_handlers.kemi.testing import ksr_request, new_state
from tests.handlers.kemi.scripts import route, serve, write
from tests.support.processes import run_slbroker

if TYPE_CHECKING:
    from pathlib import Path

# What tells two releases apart: 0 before 6.0, 1 from then on.
ASK = "KSR.sl.sl_send_reply(200, 'It is %d' % KSR.htable.sht_setxi('a', 'b', 1, 60))"


@pytest.mark.parametrize(
    ("text", "release"),
    [("5.6", (5, 6)), ("5.6.3", (5, 6)), (" 6.0.7 ", (6, 0)), ("6.1", (6, 1)), ("6.2.0-dev1", (6, 2))],
)
def test_a_version_means_its_release(text: str, release: tuple[int, int]) -> None:
    assert read_release(text) == release


@pytest.mark.parametrize("text", ["", "5", "5.5", "6", "six", "5.6 or so", "5.6.", "7.0", "-5.6"])
def test_what_is_no_release_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match=r"5\.6, 5\.7, 5\.8, 6\.0, 6\.1, 6\.2"):
        read_release(text)


def test_each_release_is_read_as_it_is_written() -> None:
    assert [read_release(name_release(release)) for release in RELEASES] == list(RELEASES)


@pytest.mark.parametrize(("settings", "answer"), [("", 1), ("version=5.6", 0), ("version=5.6&version=6.0.3", 1)])
def test_a_scripts_name_says_the_release(tmp_path: Path, settings: str, answer: int) -> None:
    """The newest one that is out where it says nothing."""
    assert NEWEST == (6, 1)
    reply = serve(tmp_path, ASK, settings).request("INVITE")
    assert reply is not None
    assert reply.reason == f"It is {answer}"


def test_tests_of_a_scripts_functions_choose_a_release() -> None:
    import KSR

    with ksr_request(state=new_state("htable.htable=a", version="5.8.1")):
        assert KSR.htable.sht_setxi("a", "b", 1, 60) == 0
    with ksr_request():
        assert KSR.htable.sht_setxi("a", "b", 1, 60) == 1


def test_option_environment_and_file_say_it_to_explain(tmp_path: Path) -> None:
    file = write(tmp_path, route(ASK)).removeprefix("kemi:")
    request, config = tmp_path / "request.sip", tmp_path / "slbroker.toml"
    request.write_bytes(RequestFactory().request("INVITE"))
    config.write_text(f'kemi = "{file}"\nkemi-version = "5.8"\n')
    ran = [
        run_slbroker("explain", "--kemi", file, "--kemi-version", "5.6", str(request)),
        run_slbroker("explain", "--kemi", file, str(request), env={"SLBROKER_KEMI_VERSION": "5.7"}),
        run_slbroker("explain", "--config", str(config), str(request)),
        run_slbroker("explain", "--kemi", file, str(request)),
    ]
    assert [run.wait() for run in ran] == [Exit.OK] * 4, ran
    assert ["It is 0" in run.output for run in ran] == [True, True, True, False]
    assert "It is 1" in ran[-1].output


def test_check_says_which_release_it_judged_by(tmp_path: Path) -> None:
    file = write(tmp_path, route(ASK)).removeprefix("kemi:")
    checked = run_slbroker("check", "--kemi", file, "--kemi-version", "5.6.3")
    assert checked.wait() == Exit.OK, checked
    assert "KSR follows Kamailio 5.6 (--kemi-version)" in checked.output


EXAMPLE: dict[str, tuple[object, object, tuple[int, int]]] = {
    "KSR.htable.sht_setxi('a', 'b', 1, 60)": (0, 1, (6, 0)),
    "KSR.siputils.is_uri('urn:service:sos')": (1, -1, (5, 8)),
    "[KSR.seturi('sip:a@h;alias=junk'), KSR.nathelper.handle_ruri_alias()]": ([True, 2], [True, -1], (5, 8)),
    "[KSR.seturi('junk'), KSR.pv.get('$ru'), KSR.kx.get_ruri()]": ([True, None, None], [True, "junk", "junk"], (6, 0)),
    "[KSR.pv.sets('$var(i)', '2147483648'), KSR.pv.get('$(var(i){s.int})')]": ([True, None], [True, -(2**31)], (5, 8)),
    "[KSR.pv.sets('$var(i)', '4294967301'), KSR.pv.get('$(var(i){s.int})')]": ([True, None], [True, 5], (5, 8)),
    "KSR.nathelper.nat_uac_test(1)": (-1, 1, (5, 8)),
    "KSR.nathelper.nat_uac_test(128)": (-1, 1, (5, 8)),
    "KSR.kx.get_cturi()": ("sip:b@192.0.2.1", "sip:a@10.0.0.1:7", (5, 8)),
    "KSR.pv.get('$(hfl(Contact)[1])')": ("<sip:a@10.0.0.1:7>", "<sip:b@192.0.2.1>", (5, 8)),
    "[KSR.sl.sl_send_reply(480, ''), len(call.replies)]": ([1, 1], [-1, 0], (6, 0)),
    "[KSR.sl.sl_send_reply(200, 'OK'), KSR.sl.sl_reply_error(), len(call.replies)]": ([1, 1, 2], [1, -2, 1], (5, 8)),
    "[KSR.sl.sl_reply_error(), KSR.sl.sl_reply_error(), len(call.replies)]": ([1, 1, 2], [1, -2, 1], (5, 8)),
    "[KSR.sl.sl_send_reply(183, 'x'), KSR.sl.sl_reply_error(), len(call.replies)]": ([1, 1, 2], [1, 1, 2], (5, 8)),
    "[KSR.auth.auth_challenge('r', 1), b'algorithm=MD5' in call.replies[0].extra]": ([1, False], [1, True], (6, 0)),
    "[KSR.sanity.sanity_check(1024, 4), call.replies[0].reason]": (
        [-1, "Ivalid To Header"], [-1, "Invalid To Header"], (5, 8)
    ),
}  # fmt: skip


@pytest.mark.parametrize("release", RELEASES, ids=name_release)
@pytest.mark.parametrize("expression", EXAMPLE)
def test_what_differs_between_releases_follows_the_one_that_is_named(expression: str, release: tuple[int, int]) -> None:
    """The releases and the values are of runs of 5.6.3, 5.8.8, 6.0.7, 6.1.4 and a build of 6.2 side by side."""
    import KSR

    before, since, first = EXAMPLE[expression]
    headers = {"Contact": "<sip:a@10.0.0.1:7>, <sip:b@192.0.2.1>", "To": "<sip:@b>"}
    with ksr_request("MESSAGE", headers=headers, state=new_state(version=name_release(release))) as call:
        assert eval(expression, {"KSR": KSR, "call": call}) == (since if release >= first else before)
