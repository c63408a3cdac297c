import numpy as np
import pytest
from av import open as open_video

from benchmarks.generated_actions import (
    ACTION_SETS,
    OUTLINES,
    class_names,
    draw_texture,
    main,
    reversed_class,
    write_actions,
)
from cluster.datasets.manifest import read_videos

SCENES = {"train": 2, "validation": 1, "test": 1}


@pytest.fixture(scope="module", params=ACTION_SETS)
def written(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "videos"
    write_actions(folder, request.param, scenes=SCENES, size=32, seed=3)
    return request.param, folder


def decoded(path):
    with open_video(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def scene(folder, action_set, split="train", number=1):
    return {label: decoded(folder / split / label / f"{number:05d}.mp4") for label in class_names(action_set)}


def distance_from_background(video):
    """Absolute difference from the background, the median of the frames; (T, H, W)."""
    return np.abs(video - np.median(video, axis=0)).mean(axis=-1)


def test_each_folder_is_a_class_in_the_manifest_too(written):
    action_set, folder = written
    videos = read_videos(str(folder / "manifest.csv"))
    assert len(videos) == sum(SCENES.values()) * 8
    assert len(set(class_names(action_set))) == 8
    for video in videos:
        split, label, _ = video.id.split("/")
        assert (split, (label,)) == (video.split, video.labels)
    for split, count in SCENES.items():
        assert sum(video.split == split for video in videos) == count * 8


def test_all_classes_show_the_same_pictures_to_the_bit(written):
    action_set, folder = written
    for split, number in (("train", 0), ("train", 1), ("test", 0)):
        videos = scene(folder, action_set, split, number)
        pictures = {label: sorted(frame.tobytes() for frame in video) for label, video in videos.items()}
        assert {len(frames) for frames in pictures.values()} == {16}
        assert all(frames == pictures[class_names(action_set)[0]] for frames in pictures.values())
        assert len({video.tobytes() for video in videos.values()}) == 8


def test_a_class_played_backwards_is_another(written):
    action_set, folder = written
    videos = scene(folder, action_set)
    for label, video in videos.items():
        back = reversed_class(action_set, label)
        assert back != label
        np.testing.assert_array_equal(video[::-1], videos[back])


def test_acts_move_in_the_direction_of_their_names(tmp_path):
    for action_set in ACTION_SETS:
        write_actions(tmp_path / action_set, action_set, scenes={"test": 6}, size=48, seed=1)
    axis = np.arange(48)
    for number in range(6):
        slides = scene(tmp_path / "actions", "actions", "test", number)
        shape = distance_from_background(slides["right-grow"])
        shape[shape < 20] = 0
        across = (shape.sum(1) * axis).sum(1) / shape.sum((1, 2))
        assert across[5] - across[0] > 4  # the first act has at least six frames
        area = (shape > 0).sum((1, 2))
        assert area[-1] > 1.5 * area[-6]
        rises = distance_from_background(scene(tmp_path / "other", "other", "test", number)["up-clockwise"])
        rises[rises < 20] = 0
        down = (rises.sum(2) * axis).sum(1) / rises.sum((1, 2))
        assert down[0] - down[5] > 4  # rows count from the top


def test_shapes_and_textures_of_the_splits_differ(written):
    action_set, folder = written
    outlines = [outline for each in OUTLINES.values() for outline in each]
    assert len(set(map(id, outlines))) == len(outlines)
    grid = np.mgrid[-1.2:1.2:49j, -1.2:1.2:49j].astype(np.float32)
    masks = [(outline(*grid) < 0).tobytes() for outline in outlines]
    assert len(set(masks)) == len(masks)
    label = class_names(action_set)[0]
    grounds = [np.median(decoded(folder / name / label / "00000.mp4"), axis=0).ravel() for name in ("train", "test")]
    assert abs(np.corrcoef(grounds)[0, 1]) < 0.6


def test_textures_have_the_spectrum_of_natural_images():
    power = np.mean(
        [np.abs(np.fft.fft2(draw_texture(np.random.default_rng(seed), 64)[..., 0])) ** 2 for seed in range(20)], axis=0
    )
    octaves = np.array([1, 2, 4, 8, 16])
    slope = np.polyfit(np.log(octaves), np.log(power[0, octaves]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.4)  # of the power; that of the amplitude is half


def test_a_seed_gives_the_same_files_and_another_gives_others(written, tmp_path):
    action_set, folder = written
    for name, seed in (("same", 3), ("other", 4)):
        write_actions(tmp_path / name, action_set, scenes={"train": 1}, size=32, seed=seed)
    for label in class_names(action_set):
        first = folder / "train" / label / "00000.mp4"
        assert first.read_bytes() == (tmp_path / "same" / "train" / label / first.name).read_bytes()
        assert first.read_bytes() != (tmp_path / "other" / "train" / label / first.name).read_bytes()


def test_the_command_line(tmp_path, capsys):
    main([str(tmp_path / "out"), "--scenes", "1", "0", "0", "--size", "32", "--frames", "8"])
    assert "8 videos" in capsys.readouterr().out
    assert len(decoded(tmp_path / "out" / "train" / "right-grow" / "00000.mp4")) == 8
    for bad in (("--size", "31"), ("--frames", "2"), ("--scenes", "1", "1", "-1")):
        with pytest.raises(SystemExit):
            main([str(tmp_path / "new"), *bad])
    with pytest.raises(SystemExit):
        main([str(tmp_path / "out")])
    assert "holds files already" in capsys.readouterr().err
