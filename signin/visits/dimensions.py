"""What visits are counted by.

Rows, statistics, responses, broadcasts, the audit and the export iterate over DIMENSIONS: one more dimension is one
more entry, see docs/count-something-else.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from signin.visits.countries import COUNTRIES
from signin.visits.languages import LANGUAGES, preferred_language
from signin.visits.user_agent import BROWSERS, DEVICES, OPERATING_SYSTEMS, Client, Hints, identify

OTHER = "Other"


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """What labels are found from: headers (names in lower case), query parameters, and the classified client."""

    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        header = self.headers.get
        hints = Hints(header("sec-ch-ua", ""), header("sec-ch-ua-platform", ""), header("sec-ch-ua-mobile", ""))
        object.__setattr__(self, "client", identify(header("user-agent", ""), hints))


@dataclass(frozen=True, slots=True)
class Dimension:
    """What visits are counted by: `value` reads it from a request, `labels` has the label of each value.

    Any other value is "Other". So a request cannot add a label, and a stats row has a bounded size.
    """

    column: str  # of the row of a visit
    labels: Mapping[str, str]
    value: Callable[[SignInRequest], str]

    @property
    def key(self) -> str:
        """The member of the JSON of the statistics."""
        return f"by{self.column}"

    @property
    def stats_column(self) -> str:
        """The column of a stats row."""
        return f"By{self.column}"


_NEW, _RETURNING = "New", "Returning"

# In the order of the JSON and of the columns of the export. A broadcast has the first two, those of the C# sample, as
# arguments of their own.
DIMENSIONS = (
    Dimension("OS", OPERATING_SYSTEMS, lambda request: request.client.os_family),
    Dimension("Browser", BROWSERS, lambda request: request.client.browser_family),
    Dimension("Device", DEVICES, lambda request: request.client.device),
    Dimension("Country", COUNTRIES, lambda request: request.params.get("zone", "")),
    Dimension("Language", LANGUAGES, lambda request: preferred_language(request.headers.get("accept-language", ""))),
    Dimension("Visitor", {"new": _NEW, "returning": _RETURNING}, lambda request: request.params.get("visitor", "")),
)
IN_SAMPLE = 2


def labels_of(request: SignInRequest) -> dict[str, str]:
    """The labels of a request by column."""
    return {dimension.column: dimension.labels.get(dimension.value(request), OTHER) for dimension in DIMENSIONS}


@dataclass(frozen=True, slots=True)
class People:
    """How many people visits are by, as far as a browser is a person.

    There are more than `least` if there are new ones among the visits whose client did not report it.
    """

    least: int
    is_exact: bool

    @classmethod
    def of(cls, counts: Mapping[str, Mapping[str, int]]) -> People:
        """The people of the counts of each dimension by its column."""
        visitors = counts["Visitor"]
        return cls(visitors.get(_NEW, 0), not visitors.get(OTHER))
