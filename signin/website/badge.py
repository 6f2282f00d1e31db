"""The badge: a label and a number, as an SVG for a README or any web page, and as an endpoint of shields.io."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from xml.sax.saxutils import escape

_MAX_LABEL = 40  # characters
# Control characters, what reverses the direction of a text, and what neither UTF-8 nor XML can contain.
_NOT_IN_LABEL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

_LEFT, _RIGHT = "2b3a37", "0b6e69"  # the colours of the halves
_MARK_WIDTH = 23  # pixels, like all widths: the rings and the space around them
_PADDING = 8
_BOLD = {",": 4, "+": 10}  # a digit has 8
# Of Verdana at 11 pixels, for classes of characters; Android and Linux have fonts that are as wide.
_WIDTHS = {
    **dict.fromkeys("ijl'", 3.2),
    **dict.fromkeys("frtIJ .,:;!|/\\()[]-`", 4.3),
    **dict.fromkeys('csz?_*"', 5.8),
    **dict.fromkeys("CDGHNOQU&", 8.5),
    **dict.fromkeys("Mw#+<=>~^", 9.2),
    **dict.fromkeys("mW%@", 10.8),
}
_LOWER, _ARABIC, _OTHER, _SQUARE = 6.7, 4.8, 7.3, 11.0


class InvalidBadge(ValueError):
    """A request asks for a badge that there is not. The message is one line for its sender."""


@dataclass(frozen=True, slots=True)
class Badge:
    """A label of one line without spaces at its ends, and a number as text."""

    label: str
    number: str

    def svg(self) -> str:
        """An SVG, 20 pixels high and as wide as the texts need.

        `textLength` makes browsers draw each text at the width assumed here, in any font; the glyphs of a label are
        stretched, since joined letters may not move apart. The SVG has no styles, scripts or ids, so that it also works
        inline in a page and under any Content-Security-Policy.
        """
        label = escape(self.label)
        label_width = _width(self.label)
        number_width = sum(_BOLD.get(character, 8) for character in self.number)
        left = _MARK_WIDTH + label_width + _PADDING
        right = number_width + 2 * _PADDING
        return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img">
  <title>{label}: {self.number}</title>
  <path fill="#{_LEFT}" d="M{left} 0v20H5q-5 0-5-5V5q0-5 5-5z" />
  <path fill="#{_RIGHT}" d="M{left} 0v20h{right - 5}q5 0 5-5V5q0-5-5-5z" />
  <g fill="none" stroke="#51cbb8">
    <circle cx="13" cy="10" r="6" opacity=".45" />
    <circle cx="13" cy="10" r="3.5" opacity=".8" />
  </g>
  <circle cx="13" cy="10" r="1.5" fill="#51cbb8" />
  <g font-family="Verdana, 'DejaVu Sans', Geneva, sans-serif" font-size="11">
    <text x="{_MARK_WIDTH}" y="14" fill="#edf2ef"
      textLength="{label_width}" lengthAdjust="spacingAndGlyphs">{label}</text>
    <text x="{left + _PADDING}" y="14" textLength="{number_width}" fill="#fff" font-weight="bold">{self.number}</text>
  </g>
</svg>
"""

    def to_json(self) -> dict[str, str | int]:
        """What shields.io expects of an endpoint (https://shields.io/badges/endpoint-badge).

        It has no `style`, so that shields.io takes that of the badge's address.
        """
        return {"schemaVersion": 1, "label": self.label, "message": self.number, "color": _RIGHT}


def label_from(text: str) -> str | None:
    """The label in the query of a badge, None if it is blank. Raises InvalidBadge."""
    label = text.strip()
    if len(label) > _MAX_LABEL or _NOT_IN_LABEL.search(label):
        raise InvalidBadge(f"label has to have at most {_MAX_LABEL} characters, without control characters")
    return " ".join(label.split()) or None  # an SVG shows several spaces as one


def _width(text: str) -> int:
    return round(sum(map(_character_width, text)))


def _character_width(character: str) -> float:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):  # a mark on another character, or a joiner
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":  # also a pictogram
        return _SQUARE
    if unicodedata.bidirectional(character) == "AL":
        return _ARABIC
    base = unicodedata.normalize("NFD", character)[0]
    return _WIDTHS.get(base, _LOWER if base.islower() else _OTHER)
