"""What was taken of a file, and what was assumed about it, where the file leaves a choice or a doubt."""

from __future__ import annotations

from extractors.video.frame_rate import frame_rate, states_frame_rate
from extractors.video.media import Media


def provenance(media: Media) -> str | None:
    """None where all is certain, or else these parts, as far as they apply, with semicolons between them.

    video 0 of 0, 3      which of several streams (`extractors.video.tracks`)
    audio 2 of 1, 2
    file 1 of 2          which of several files that were joined end to end (`extractors.video.movies`)
    25 frames/s assumed  of a raw stream that states no frame rate: all times in it follow from that
    """
    parts = [media.choice] if media.choice else []
    if media.unread_files:
        parts.append(f"file 1 of {1 + len(media.unread_files)}")
    if not states_frame_rate(media):
        parts.append(f"{frame_rate(media)} frames/s assumed")
    return "; ".join(parts) or None
