"""What a call has used, read out of the events of a stream as they pass."""

from __future__ import annotations

import json
import re

from scope_edge.endpoint.usage import Usage

__all__ = ["EventStream", "first_data"]

_MOST_HELD = 1 << 20  # bytes of one event; a longer one is passed on as it comes
_HAS_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_EVENT_END = re.compile(rb"\r?\n\r?\n")


class EventStream:
    """Server-sent events on their way through: whole events go on, byte for byte, and their usage is noted.

    Only events that hold a usage are parsed.

    Parameters
    ----------
    hide_usage : bool
        Whether an event with the usage and no choices is left out, for the client has not asked for it.

    within_event: whether what was passed on last ends within an event that is too long to be held.
    """

    def __init__(self, hide_usage: bool) -> None:
        self.usage: Usage | None = None
        self.within_event = False
        self._hides = hide_usage
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What is to be passed on now; the rest is the beginning of an event."""
        data = self._held + chunk
        blank = max(data.rfind(b"\n\n"), data.rfind(b"\n\r\n"))
        end = data.index(b"\n", blank + 1) + 1 if blank >= 0 else 0
        self.within_event = len(data) - end > _MOST_HELD
        if self.within_event:
            end = len(data)
        events, self._held = data[:end], data[end:]
        return self._without_usage(events) if _HAS_USAGE.search(events) else events

    def finish(self) -> bytes:
        """What is left when the stream has ended well."""
        rest, self._held = self._held, b""
        return self._without_usage(rest) if _HAS_USAGE.search(rest) else rest

    def _without_usage(self, events: bytes) -> bytes:
        kept, start = [], 0
        ends = [found.end() for found in _EVENT_END.finditer(events)]
        for end in [*ends, len(events)] if not ends or ends[-1] < len(events) else ends:
            event = events[start:end]
            start = end
            if not (_HAS_USAGE.search(event) and self._note(event)):
                kept.append(event)
        return b"".join(kept)

    def _note(self, event: bytes) -> bool:
        """Note the usage of an event; returns whether the event is to be left out."""
        try:
            chunk = json.loads(_data(event))
        except (ValueError, RecursionError):
            return False
        usage = Usage.of(chunk.get("usage")) if isinstance(chunk, dict) else None
        self.usage = usage or self.usage
        return self._hides and usage is not None and chunk.get("choices") == []


def first_data(events: bytes) -> bytes:
    """The data of the first event that has any; comments and keep-alives have none."""
    return next(filter(None, map(_data, _EVENT_END.split(events))), b"")


def _data(event: bytes) -> bytes:
    return b"".join(line[5:] for line in event.splitlines() if line.startswith(b"data:")).strip()
