from __future__ import annotations

import logging

import pytest

from signin.telemetry.outage import Outage, with_notes

logger = logging.getLogger(__name__)


def test_outage_is_logged_at_its_beginning_and_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage(logger, "it fails", "it works again")
    outage.succeeded()
    for _ in range(3):
        outage.failed(ValueError("down"))
    for _ in range(3):
        outage.succeeded()
    outage.failed(ValueError("down again"))
    assert caplog.messages == ["it fails: down", "it works again", "it fails: down again"]


def test_log_has_the_notes_of_all_causes(caplog: pytest.LogCaptureFixture) -> None:
    cause = ValueError("the text of a cause")
    cause.add_note("AADSTS700016: not found\nin the tenant")
    error = OSError("no access")
    error.add_note("403 AuthorizationFailure")
    error.__cause__ = cause
    Outage(logger, "it fails", "it works again").failed(error)
    assert caplog.messages == ["it fails: no access (403 AuthorizationFailure; AADSTS700016: not found in the tenant)"]


def test_error_without_notes_is_its_message() -> None:
    assert with_notes(ValueError("down")) == "down"
