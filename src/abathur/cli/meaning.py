"""What a question means, for the commands that search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abathur.cli import output

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.services.searching import Meaning


async def meaning_of(project: Project, text: str) -> Meaning | None:
    """None where words have to do; when nobody can be asked, that is said."""
    from abathur.bootstrap import remembering
    from abathur.domain.errors import EmbeddingError, UntrustedError

    try:
        return await remembering.meaning_of(remembering.embedder(project), text)
    except (EmbeddingError, UntrustedError) as error:
        output.say(f"Searched by words alone: {error}")
        return None
