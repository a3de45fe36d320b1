"""The logs of the laptop cloud: files of its processes, log groups of its functions."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scripts.local.launcher import aws, outputs
from scripts.local.launcher.errors import LauncherError
from scripts.local.launcher.layout import APP, STAGE, Layout

_LINES = 200
_POLL_S = 0.5


def lines(layout: Layout, name: str, *, follow: bool) -> Iterator[str]:
    """Lines of the log `name`; with `follow`, without end.

    Raises:
        LauncherError: there is no such log yet.
    """
    if name == "functions":
        client = aws.client(outputs.read(layout)["endpoint_url"], "logs")
        return of_functions(client, follow=follow)
    path = layout.logs / f"{name}.log"
    if not path.exists():
        raise LauncherError(f"there is no {path} yet", next_step="kit local up")
    return of_file(path, follow=follow)


def of_file(
    path: Path, *, follow: bool, pause: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """The last lines of a file, then (with `follow`) what is added, over its replacement too."""
    text = path.read_text(errors="replace")
    yield from text.splitlines()[-_LINES:]
    seen = len(text.encode())
    while follow:
        pause(_POLL_S)
        if not path.exists():
            continue
        size = path.stat().st_size
        seen = 0 if size < seen else seen
        if size > seen:
            with path.open("rb") as file:
                file.seek(seen)
                added = file.read()
            seen += len(added)
            yield from added.decode(errors="replace").splitlines()


def of_functions(
    client: Any, *, follow: bool, pause: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """Events of all functions of the stage, in the order of their time."""
    since = 0
    while True:
        events = sorted(_events(client, since), key=lambda event: int(event[0]["timestamp"]))
        for event, group in events[-_LINES:]:
            yield f"{group.rpartition('/')[2]}  {event['message'].rstrip()}"
            since = max(since, int(event["timestamp"]) + 1)
        if not follow:
            return
        pause(_POLL_S)


def _events(client: Any, since: int) -> Iterator[tuple[dict[str, Any], str]]:
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            if f"{APP}-{STAGE}" not in name:
                continue
            found = client.get_paginator("filter_log_events").paginate(
                logGroupName=name, startTime=since
            )
            yield from ((event, name) for events in found for event in events["events"])
