"""The language that a visitor prefers, by the header Accept-Language."""

from __future__ import annotations

import re
from functools import lru_cache

# The 183 codes of ISO 639-1, which was last extended in 2003. Packages that have them bring names in all languages too.
_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es
    et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki
    kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no
    nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te
    tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""

# The label by primary subtag. Some browsers send codes that ISO replaced in 1989 or later, and Filipino, the
# standardized Tagalog, by a code of three letters.
LANGUAGES = {code: code for code in _CODES.split()} | {
    "in": "id",
    "iw": "he",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "fil": "tl",
}

_MAX_LENGTH = 256  # characters; a header with ten languages has some 100
_RANGE = re.compile(
    r"\s*([a-z]{1,8})(?:-[a-z0-9]{1,8})*\s*(?:;\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.IGNORECASE,
)


def preferred_language(accept_language: str) -> str:
    """The primary subtag, in lower case, of the language with the highest weight: of several the first.

    Empty if the header names none. Malformed parts of the header are ignored, and so is what follows 256 characters.
    """
    return _preferred(accept_language[:_MAX_LENGTH])


@lru_cache(maxsize=1024)
def _preferred(accept_language: str) -> str:
    language, highest = "", 0.0
    for part in accept_language.split(","):
        if match := _RANGE.fullmatch(part):
            weight = float(match[2] or 1)
            if weight > highest:
                language, highest = match[1].lower(), weight
    return language
