from __future__ import annotations

import cv2
import numpy as np
import pytest

from classifiers.clip_models.registry import build_clip_model
from cluster.engines.wire import pack, unpack
from cluster.serving.picture import Picture, PictureWorker, SeenPicture
from tests.support.clips import STREAM, STREAM_OPTIONS
from tests.support.videos import picture

FORM = build_clip_model(STREAM, num_classes=2, options=STREAM_OPTIONS).clip_format


@pytest.fixture
def worker():
    return PictureWorker(FORM, 200 * 200, 1 << 30, 20.0)


def jpeg(image: np.ndarray) -> bytes:
    done, content = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert done
    return content.tobytes()


def test_a_picture_is_decoded_resized_and_cropped(worker):
    smooth = np.broadcast_to(np.linspace(0, 255, 120, dtype=np.uint8)[None, :, None], (90, 120, 3))
    seen = worker(Picture(jpeg(smooth)))
    assert seen.image is not None
    assert seen.image.shape == (FORM.height, FORM.width, 3)
    assert (np.diff(seen.image[0, :, 0].astype(int)) >= 0).all()
    copy = unpack(SeenPicture, pack(seen))
    np.testing.assert_array_equal(copy.image, seen.image)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\xff\xd8\xff", b"\xff\xd8\xff" + bytes(5000), jpeg(picture(1, 96, 48))[:20]]
)
def test_what_is_no_picture_is_told(worker, content):
    seen = worker(Picture(content))
    assert seen.image is None
    assert seen.code


def test_pixels_are_bounded(worker):
    seen = worker(Picture(jpeg(np.zeros((300, 300, 3), np.uint8))))
    assert (seen.image, seen.code) == (None, "not_media")
