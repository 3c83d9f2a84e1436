"""Are medians, spreads and ratios what they say they are? Made-up samples, no processes."""

from __future__ import annotations

from tests.bench import report
from tests.bench.measure import Load, Sample
from tests.bench.subjects import C_ECHO, KAMAILIO


def sample_of(rps: float, cpu: dict[str, float], codes: dict[str, int] | None = None) -> Sample:
    zeros = dict.fromkeys(("lost", "in_flight", "behind", "late", "duplicates", "stray"), 0)
    zeros |= dict.fromkeys(("provisional", "acks", "refused"), 0)
    ok = 100_000
    load = Load("OPTIONS", 8, 0, 1.0, 0.5, sent=ok, ok=ok, rps=rps, p50_us=10, p99_us=20, p999_us=30,
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


def test_no_reference_no_ratios() -> None:
    assert report.ratios_table("OPTIONS", {"ours": {1: sample_of(1, {"edge": 1.0})}, C_ECHO: {}}) == []


def test_wrong_answers_are_remarked_on() -> None:
    odd = sample_of(1, {"edge": 1.0}, {"200": 99_990, "503": 10})
    text = report.render({"OPTIONS": {"ours": {1: odd, 2: odd}}}, ["a note"], report.as_text)
    assert text.startswith(
        "- a note\n- Other programs meanwhile: 0 % of one CPU.\n- ours, OPTIONS: 20 answered 503.\n\n"
    )
