"""The last warnings of a process, as it tells them: few, short, on one line, of our own loggers."""

from __future__ import annotations

import logging

from slbroker.recentlog import KEPT, LONGEST, RecentLog


def test_only_warnings_and_errors_of_ours_while_it_listens() -> None:
    log = RecentLog()
    logging.getLogger("slbroker.bus").warning("before")
    log.begin()
    logging.getLogger("slbroker.bus").info("said")
    logging.getLogger("plugin").error("another's")
    logging.getLogger("slbroker_edge.edge").error("lost %s", "INVITE")
    log.end()
    logging.getLogger("slbroker_edge.edge").error("after")
    assert [line[1:] for line in log.lines()] == [("ERROR", "lost INVITE")]


def test_a_flood_a_novel_and_a_peers_line_ends_do_no_harm() -> None:
    log = RecentLog()
    log.begin()
    for at in range(100):
        logging.getLogger("slbroker").warning("%d forged\r\nline \u2028\x1b[2J \U0001f600 %s", at, "x" * 10_000)
    log.end()
    lines = log.lines()
    assert len(lines) == KEPT
    assert lines[-1][2].startswith(r"99 forged\r\nline")
    assert all(len(text) <= LONGEST and text.isascii() and text.isprintable() for _at, _level, text in lines)
