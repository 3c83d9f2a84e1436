"""Are medians, spreads, ratios and verdicts what they say they are? Made-up samples, no processes."""

from __future__ import annotations

from tests.lab.bench import report
from tests.lab.bench.kamailio import kemi_name, native_name
from tests.lab.bench.measure import Case, Load, Sample
from tests.lab.bench.subjects import C_ECHO

CASE = Case("OPTIONS", 1_024)
KAMAILIO = native_name(2)


OPEN = Case("OPTIONS", 8_192, 5_000)


def sample_of(rps: float, cpu: dict[str, float], codes: dict[str, int] | None = None, *, lost: int = 0) -> Sample:
    zeros = dict.fromkeys(("in_flight", "behind", "late", "duplicates", "stray"), 0)
    zeros |= dict.fromkeys(("provisional", "acks", "refused"), 0)
    ok = 100_000
    load = Load("OPTIONS", 8, 1234, 1.0, 0.5, sent=ok + lost, ok=ok, lost=lost, rps=rps, p50_us=10, p99_us=20,
                p999_us=30, sent_late_p99_us=5, codes=codes or {"200": ok}, **zeros)  # fmt: skip
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
        "beside": "-",
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


def test_tables_of_an_open_loop_say_what_was_sent_and_answered() -> None:
    sample = sample_of(1, {"server": 1.0}, lost=7)
    (figures, ratios) = report.case_tables(OPEN, {KAMAILIO: {1: sample}, kemi_name(2): {1: sample}})
    row = dict(zip(*figures[:2], strict=True))
    assert (row["sent"], row["answered"], row["lost"], row["sent late, p99 us"]) == ("100007", "100000", "7", "5")
    assert ratios[0][1:] == ["CPU / Kamailio native", "p50 / Kamailio native", "p99 / Kamailio native"]


def test_wrong_answers_are_remarked_on() -> None:
    odd = sample_of(1, {"edge": 1.0}, {"200": 99_990, "503": 10})
    text = report.render({CASE: {"ours": {1: odd, 2: odd}}}, ["a note"], report.as_text)
    assert text.startswith(
        "- a note\n- Other programs meanwhile: 0 % of one CPU.\n- ours, OPTIONS, 1,024 in flight: 20 answered 503.\n\n"
    )


def test_markdown_has_figures_to_the_right_and_words_to_the_left() -> None:
    text = report.as_markdown([["a", "b", "c"], ["x", "1.5", "so"], ["y", "-", "no"]])
    assert text.splitlines()[:2] == ["| a | b | c |", "| --- | ---: | --- |"]


def test_what_the_generator_can_do_is_said() -> None:
    none: dict[int, Sample] = {}
    echo = {C_ECHO: {1: sample_of(5_000, {"server": 1.0})}}
    assert report.generator_note({CASE: echo, OPEN: echo, Case("INVITE", 8): {C_ECHO: none}}) == [
        "The generator reaches 5000 requests/s against the C echo, with 50 % of a CPU (OPTIONS, 1,024 in flight).",
        "The generator sends 99 % within 5 us of when they are due against the C echo, with 50 % of a CPU "
        "(OPTIONS, 5,000 a second).",
    ]
