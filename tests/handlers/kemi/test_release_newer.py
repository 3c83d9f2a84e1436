"""What Kamailio has since 5.6: there with the release that brought it, and not before."""

from __future__ import annotations

import pytest

from slbroker_handlers.kemi.release import name_release
from slbroker_handlers.kemi.testing import ksr_request, new_state

OLDEST = (5, 6)
HEADERS = {"Contact": "<sip:al@192.0.2.9:5062;ob;x=y>", "To": "<sip:bob@example.com>;tag=there"}

# (release that brought it, expression, its value from then on); before, a function is not there and a value is None.
NEWER = [
    ((5, 8), "KSR.textops.str_any_in('abc', 'xyc'), KSR.textops.str_any_in('abc', 'xyz')", (1, -1)),
    ((6, 1), "[KSR.textops.str_all_in(text, 'ab') for text in ('aab', 'abc', '')]", [1, -1, -1]),
    ((6, 0), "KSR.textops.subst_v('a:b', '/:/-/', '$var(r)'), KSR.pv.get('$var(r)')", (1, "a-b")),
    ((6, 0), "KSR.textops.subst_v('ab', '/:/-/', '$var(r)')", -1),
    ((5, 8), "[KSR.siputils.contact_param_check(name) for name in ('ob', 'x', 'y')]", [1, 1, -1]),
    ((6, 0), "KSR.siputils.is_sip(), KSR.siputils.is_http(), KSR.siputils.sip_parse_headers()", (1, -1, 1)),
    ((6, 1), "KSR.is_TCPX()", False),
    ((5, 8), "KSR.pvx.shvinc_get('n'), KSR.pvx.shvinc_get('n'), KSR.pv.get('$shv(n)')", (1, 2, 2)),
    ((5, 8), "KSR.xlog.xlog_facility('LOG_DAEMON', 'L_INFO', '$rm')", 1),
    ((6, 1), "KSR.pvx.xavp_sets('a', 'x'), KSR.pvx.xavp_rm_all('a'), KSR.pvx.xavp_rm_all('a')", (1, 1, -1)),
    ((6, 1), "KSR.htable.sht_setxs('t', 'a', 'x', 9), KSR.htable.sht_sets('t', 'ab', 'y'),"
     " KSR.htable.sht_cn('t', 'sw', 'a'), KSR.htable.sht_cn('t', 'eq', 'a'), KSR.htable.sht_cn('t', 're', 'b$')",
     (1, 1, 2, 1, 1)),
    ((6, 1), "KSR.textops.set_reply_body_hex('61 62', 'text/plain'), KSR.textops.set_reply_body_hex('6', 'text/plain')",
     (1, -1)),
    ((6, 0), "[KSR.pv.get(f'${name}') for name in ('cts', 'ctu')]", [0, "sip:al@192.0.2.9:5062;ob;x=y"]),
    ((6, 1), "KSR.pv.get('$tts')", 1),
    ((5, 8), "[KSR.pv.get(f'$(vn(none){{val.{name}}})') for name in ('n0', 'ne')]", [0, ""]),
    ((5, 8), "[KSR.pv.get(f'$(vn(none){{val.{name}}})') for name in ('json', 'jsonqe')]", ["", '""']),
    ((6, 1), "KSR.siputils.contact_param_encode_alias('alias', '1.2.3.4~5~1')", 1),
    ((5, 8), "KSR.corex.via_reply_add_xavp_params(1)", 1),
    ((6, 0), "[KSR.cfgutils.lock_key2('a', 'b'), KSR.cfgutils.unlock_key2('a', 'b')]", [1, 1]),
    ((6, 0), "[KSR.auth.auth_algorithm(name) for name in ('MD5', 'SHA-256')]", [1, -1]),
    ((6, 0), "KSR.pvx.xavp_xparams_explode('a=b&c=\"d;e\"', '&', 'q'),"
     " KSR.pv.get('$xavp(q=>a)'), KSR.pv.get('$xavp(q=>c)')", (1, "b", "d;e")),
    ((5, 8), "KSR.tm.t_reply_error(), KSR.tm.t_newtran(), KSR.tm.t_reply_error()", (-1, 1, 1)),
    ((6, 0), "''.join(KSR.pv.get(f'$E{letter}') for letter in 'bnrtscqkijv')", "\\\n\r\t ,\"':;`"),
    *(
        (release, f"KSR.pv.sets('$var(s)', {text!r}) and KSR.pv.get('$(var(s){{{transformation}}})')", value)
        for release, transformation, text, value in [
            ((6, 0), "s.escape.crlf", "a\r\nb", "a\\r\\nb"),
            ((6, 0), "s.unescape.crlf", "a\\r\\nb", "a\r\nb"),
            ((6, 0), "s.rmhdws", "a\r\n  b c", "a b c"),
            ((6, 0), "s.rmhlws", "a\r\n\tb c", "ab c"),
            ((6, 1), "s.sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ((6, 1), "s.crc32", "abc", 891568578),
            ((6, 1), "s.selectsw,1", "12 34\t56", "34"),
            ((6, 1), "s.selectsw,-1", "12 34\t56", "56"),
            ((6, 1), "s.selectws,1", "12 34\t56", "34"),
            ((5, 8), "val.json", 'a"b\\c\td', 'a\\"b\\\\c\\td'),
            ((5, 8), "val.jsonqe", 'a"b', '"a\\"b"'),
            ((5, 8), "val.n0", "x", "x"),
            ((6, 1), "s.charat,1", "abc", "b"),
            ((6, 1), "s.charat,5", "abc", ""),
            ((6, 1), "s.byteat,0", "abc", 97),
            ((6, 1), "num.fdigit", "407", 4),
            ((6, 1), "num.ldigit", "407", 7),
            ((6, 1), "uri.rmparam,x", "sip:a@b;x=y;lr?H=1", "sip:a@b;lr?H=1"),
        ]
    ),
]  # fmt: skip


def ask(expression: str, release: tuple[int, int]) -> object:
    """The value of an expression in a route; None for a function that is not there."""
    state = new_state("htable.htable=t=>size=4", version=name_release(release))
    with ksr_request("MESSAGE", headers=HEADERS, state=state):
        import KSR

        try:
            return eval(expression, {"KSR": KSR})
        except (AttributeError, TypeError):  # TypeError: of a text that is None
            return None


@pytest.mark.parametrize(("release", "expression", "value"), NEWER, ids=[str(at) for at in range(len(NEWER))])
def test_what_a_release_brought_is_there_from_then_on(release: tuple[int, int], expression: str, value: object) -> None:
    assert ask(expression, release) == value
    assert ask(expression, (6, 1)) == value
    before = ask(expression, OLDEST)
    assert before is None or before == [None, None]
