"""Are medians, spreads, ratios and verdicts what they say they are? Made-up samples, no processes."""

from __future__ import annotations

from tests.lab.bench import report
from tests.lab.bench.goals import Goal, best, goals_table
from tests.lab.bench.kamailio import kemi_name, native_name
from tests.lab.bench.measure import Case, Load, Sample
from tests.lab.bench.peers import generator_note
from tests.lab.bench.subjects import C_ECHO

CASE = Case("OPTIONS", 1_024)
KAMAILIO = native_name(2)


def sample_of(rps: float, cpu: dict[str, float], codes: dict[str, int] | None = None, p99: int = 20) -> Sample:
    zeros = dict.fromkeys(("lost", "in_flight", "behind", "late", "duplicates", "stray"), 0)
    zeros |= dict.fromkeys(("provisional", "acks", "refused"), 0)
    ok = 100_000
    load = Load("OPTIONS", 8, 1234, 1.0, 0.5, sent=ok, ok=ok, rps=rps, p50_us=10, p99_us=p99, p999_us=30,
                codes=codes or {"200": ok}, **zeros)  # fmt: skip
    return Sample(load, cpu)


def test_medians_spread_and_ratios_within_rounds() -> None:
    ours = {n: sample_of(100 * n, {"edge": 0.5 * n, "workers": 0.5 * n}) for n in (1, 2, 3)}
    theirs = {n: sample_of(200 * n, {"server": 2.0 * n}) for n in (1, 2)}
    by_subject = {"ours": ours, KAMAILIO: theirs}
    head, row, other = report.figures_table("OPTIONS", by_subject)
    assert dict(zip(head, row, strict=True)) | {"OPTIONS": ""} == {
        "OPTIONS": "",
        "requests/s": "200 (100-300)",
        "CPU us/request": "20.0 (10.0-30.0)",
        "edge": "10.0 (5.0-15.0)",
        "workers": "10.0 (5.0-15.0)",
        "p50 us": "10",
        "p99 us": "20",
        "p99.9 us": "30",
        "lost": "0",
        "generator CPU %": "50",
    }
    assert other[3:5] == ["-", "-"]
    assert report.ratios_table("OPTIONS", by_subject)[1] == ["ours", "0.50", "0.50"]


def test_every_reference_that_was_measured_has_its_ratios() -> None:
    names = (KAMAILIO, kemi_name(2), C_ECHO)
    by_subject = {name: {1: sample_of(1, {"server": cpu})} for name, cpu in zip(names, (2.0, 4.0, 1.0), strict=True)}
    head, *_, echo = report.ratios_table("T", by_subject)
    assert head[1::2] == ["CPU / Kamailio native", "CPU / Kamailio KEMI Python", "CPU / C echo"]
    assert echo == [C_ECHO, "0.50", "1.00", "0.25", "1.00", "1.00", "1.00"]


def test_no_reference_no_ratios() -> None:
    assert report.ratios_table("OPTIONS", {"ours": {1: sample_of(1, {"edge": 1.0})}, C_ECHO: {}}) == []


def test_latency_tables_say_what_was_offered() -> None:
    (figures, ratios) = report.latency_tables(CASE, {KAMAILIO: {1: sample_of(1, {"server": 1.0})}})
    assert dict(zip(*figures, strict=True))["offered/s"] == "1234"
    assert ratios[0][1:] == ["p50 / Kamailio native", "p99 / Kamailio native"]


def test_wrong_answers_are_remarked_on() -> None:
    odd = sample_of(1, {"edge": 1.0}, {"200": 99_990, "503": 10})
    text = report.render({CASE: {"ours": {1: odd, 2: odd}}}, ["a note"], report.as_text)
    assert text.startswith(
        "- a note\n- Other programs meanwhile: 0 % of one CPU.\n- ours, OPTIONS, 1,024 in flight: 20 answered 503.\n\n"
    )


def test_markdown_has_figures_to_the_right_and_words_to_the_left() -> None:
    text = report.as_markdown([["a", "b", "c"], ["x", "1.5", "so"], ["y", "-", "no"]])
    assert text.splitlines()[:2] == ["| a | b | c |", "| --- | ---: | --- |"]


# ---- goals ----

AT_MOST, AT_LEAST = Goal("us", "CPU us/request", KAMAILIO, 0.6), Goal("us", "requests/s", KAMAILIO, 1.3, at_least=True)
MEASURED = {
    KAMAILIO: {n: sample_of(100, {"server": 1.0}) for n in (1, 2, 3)},
    "us, one": {n: sample_of(100 + 10 * n, {"edge": 0.1 * n}) for n in (1, 2, 3)},
    "us, two": {1: sample_of(150, {"edge": 0.9})},
    "others": {1: sample_of(999, {"edge": 0.0001})},
}


def test_the_best_variant_counts_by_its_median() -> None:
    assert best(AT_MOST, MEASURED) == 0.2
    assert best(AT_LEAST, MEASURED) == 1.5
    assert best(AT_MOST, {"us, one": MEASURED["us, one"]}) is None


def test_verdicts() -> None:
    without = {"us, one": MEASURED["us, one"]}
    table = goals_table({CASE: MEASURED, Case("INVITE", 8): without}, [AT_MOST, Goal("us", "p99 us", KAMAILIO, 0.5)])
    assert table == [
        ["goal", "OPTIONS, 1,024 in flight", "INVITE, 8 in flight"],
        [f"us: CPU us/request at most 0.6 of {KAMAILIO}", "0.20 reached", "-"],
        [f"us: p99 us at most 0.5 of {KAMAILIO}", "1.00 missed", "-"],
    ]
    assert goals_table({CASE: without}, [AT_MOST]) == []


def test_what_the_generator_can_do_is_said() -> None:
    none: dict[int, Sample] = {}
    results = {CASE: {C_ECHO: {1: sample_of(5_000, {"server": 1.0})}}, Case("INVITE", 8): {C_ECHO: none}}
    assert generator_note(results) == [
        "The generator reaches 5000 requests/s against the C echo with 50 % of a CPU (OPTIONS, 1,024 in flight)."
    ]
