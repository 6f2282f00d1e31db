"""The main flow in Firefox, which never keeps a page with an open WebSocket: the same tests as in Chromium.

They are in one file, so that one worker starts Firefox.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from local.emulators.azurite import Account

from .site import Site
from .test_embed import (
    embedding,
    reader,
    test_page_of_a_refused_origin_keeps_its_text,
    test_page_of_an_allowed_origin_follows_the_count,
    test_page_reads_the_count_while_signalr_is_away,
    test_reader_counts_once_and_returns,
    test_visit_whose_response_is_lost_counts_once,
)
from .test_live import test_pages_follow_a_burst_to_its_exact_total, test_two_pages_show_each_others_visit
from .test_other_sites import (
    other_site,
    page,
    recorder,
    test_only_allowed_origins_show_the_wall_in_a_frame,
    test_page_of_an_allowed_origin_is_counted_by_script_only,
    test_page_of_another_origin_is_never_counted,
)
from .test_outages import test_page_reconnects_and_catches_up
from .test_people import assert_back_and_forward_count_nothing
from .test_presentation import test_button_presents_the_page_in_full_screen
from .visitor import Visitors

__all__ = (
    "embedding",
    "other_site",
    "page",
    "reader",
    "recorder",
    "test_button_presents_the_page_in_full_screen",
    "test_only_allowed_origins_show_the_wall_in_a_frame",
    "test_page_of_a_refused_origin_keeps_its_text",
    "test_page_of_an_allowed_origin_follows_the_count",
    "test_page_of_an_allowed_origin_is_counted_by_script_only",
    "test_page_of_another_origin_is_never_counted",
    "test_page_reads_the_count_while_signalr_is_away",
    "test_page_reconnects_and_catches_up",
    "test_pages_follow_a_burst_to_its_exact_total",
    "test_reader_counts_once_and_returns",
    "test_two_pages_show_each_others_visit",
    "test_visit_whose_response_is_lost_counts_once",
)


@pytest.fixture
def browser(firefox: Browser) -> Browser:
    """The browser of the imported tests."""
    return firefox


def test_back_and_forward_count_nothing(site: Site, account: Account, visitors: Visitors) -> None:
    assert_back_and_forward_count_nothing(site, account, visitors.enter(site))
