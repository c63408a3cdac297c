"""What a coded packet says about itself, read from its first bits and without decoding it.

Containers flag key frames, but those flags are hints: some formats have none, some mark open groups of pictures as if
decoding could start there. Selective decoding needs certainty, so each codec's own syntax is read here.

`reader_for(codec_context)` gives a `PictureReader` (packet bytes -> `Picture`), or None for a codec whose structure is
not known well enough; such streams are decoded whole.
"""

from extractors.video.bitstream.picture import Picture, PictureReader, UnsureStructureError
from extractors.video.bitstream.registry import reader_for

__all__ = ["Picture", "PictureReader", "UnsureStructureError", "reader_for"]
