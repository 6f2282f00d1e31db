"""How many known bots are not counted, and how many people: by ua-parser alone, and by the app.

    npm install --prefix FOLDER crawler-user-agents user-agents top-user-agents
    python -m benchmarks.bots FOLDER

The two packages of browsers are samples of real visitors. docs/bots.md has the result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import user_agents

from signin.visits.user_agent import identify


def table(modules: Path) -> list[str]:
    """The rows of a table in Markdown, from the folder node_modules."""
    crawlers = _read(modules / "crawler-user-agents" / "crawler-user-agents.json")
    tags = sorted({tag for crawler in crawlers for tag in crawler.get("tags", [])})
    browsers = [browser["userAgent"] for browser in _read(modules / "user-agents" / "dist" / "user-agents.json")]
    return [
        "| User-Agents | Number | ua-parser alone | This app |",
        "|---|---:|---:|---:|",
        _row("bots", _instances(crawlers)),
        *(_row(f"- {tag}", _instances(one for one in crawlers if tag in one.get("tags", []))) for tag in tags),
        _row("people, `user-agents`", browsers),
        _row("people, `top-user-agents`", _read(modules / "top-user-agents" / "src" / "index.json")),
    ]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _instances(crawlers: Iterable[Any]) -> list[str]:
    return [instance for crawler in crawlers for instance in crawler["instances"]]


def _row(name: str, headers: list[str]) -> str:
    alone = sum(user_agents.parse(header[:512]).is_bot for header in headers)
    ours = sum(identify(header).is_bot for header in headers)
    return f"| {name} | {len(headers):,} | {alone:,} | {ours:,} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(table(Path(sys.argv[1]) / "node_modules")) + "\n")
