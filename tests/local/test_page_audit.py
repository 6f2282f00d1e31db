"""How a report of Lighthouse is judged."""

from __future__ import annotations

import pytest

from local.browser.page_audit import REQUIRED, Report
from local.progress import StepFailed


def result(**scores: float) -> dict[str, object]:
    """A report of Lighthouse with one audit in each category; the default is the best score."""
    names = {name: name.replace("-", "_") for name in REQUIRED}
    return {
        "categories": {
            name: {"score": scores.get(key, 1), "auditRefs": [{"id": f"{name}-audit", "weight": 1}]}
            for name, key in names.items()
        },
        "audits": {
            f"{name}-audit": {"title": f"The {name}", "displayValue": "1.2 s", "score": scores.get(key, 1)}
            for name, key in names.items()
        },
    }


def test_page_with_full_scores_passes() -> None:
    report = Report.of(result())
    assert report.passes
    assert report.losses == []


def test_performance_may_lose_two_points() -> None:
    assert Report.of(result(performance=0.98)).passes
    assert not Report.of(result(performance=0.97)).passes


@pytest.mark.parametrize("category", ["accessibility", "best_practices", "seo"])
def test_other_scores_may_lose_none(category: str) -> None:
    assert not Report.of(result(**{category: 0.99})).passes


def test_report_names_lost_points() -> None:
    assert Report.of(result(performance=0.5)).losses == ["performance: The performance 1.2 s"]


def test_failed_page_load_is_reported_in_one_line() -> None:
    with pytest.raises(StepFailed, match=r"^Lighthouse could not audit the page: It did not answer\.$"):
        Report.of({"runtimeError": {"message": "It did not answer."}, **result()})
