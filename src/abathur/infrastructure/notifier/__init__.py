"""Calling a person: by a webhook, or on the desktop of this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from abathur.domain.settings import NoticeSettings
from abathur.infrastructure.notifier.channels import Channel
from abathur.infrastructure.notifier.desktop import Desktop
from abathur.infrastructure.notifier.sender import Sender
from abathur.infrastructure.notifier.webhook import Webhook, find_url


def senders(
    settings: NoticeSettings, env: Mapping[str, str], complain: Callable[[str], None]
) -> Sequence[Sender]:
    """One for each channel that is switched on. Raises `ConfigError`."""
    channels: list[Channel] = [Desktop()] if settings.desktop else []
    if settings.webhook is not None:
        channels.append(Webhook(find_url(settings.webhook, env)))
    return [Sender(channel, complain) for channel in channels]


def begin_close(open_senders: Sequence[Sender]) -> None:
    """They send what they have, on their own threads, and end."""
    for sender in open_senders:
        sender.begin_close()


def close(open_senders: Sequence[Sender]) -> None:
    """All at once, so that one that hangs takes no time from the others."""
    begin_close(open_senders)
    for sender in open_senders:
        sender.wait_closed()
