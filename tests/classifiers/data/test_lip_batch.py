from __future__ import annotations

import numpy as np
import torch

from classifiers.data.lip_batch import lip_batch


def test_clips_and_texts_are_padded_to_the_longest() -> None:
    clips = [np.full((frames, 2, 3, 1), frames, np.float32) for frames in (4, 2)]
    batch = lip_batch(clips, [(1, 2), (3, 4, 5)], ("a", "b"))
    assert (len(batch), batch.clips.shape, batch.num_frames.tolist()) == (2, (2, 4, 2, 3, 1), [4, 2])
    assert batch.clips[1, :, 0, 0, 0].tolist() == [2, 2, 0, 0]
    assert batch.texts() == [(1, 2), (3, 4, 5)]
    assert batch.to(torch.device("cpu")).inputs[1] is batch.num_frames
