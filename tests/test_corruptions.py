"""Common corruptions: the reference's values, closed forms, and random numbers that belong to the sample."""

import colorsys
import io
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from corruptions_support import PLACES, made_up
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

from tradeoff import corruptions
from tradeoff.corruptions import (
    brightness,
    canny,
    contrast,
    defocus_blur,
    elastic_transform,
    fog,
    frost,
    gaussian_blur,
    gaussian_noise,
    glass_blur,
    impulse_noise,
    motion_blur,
    plasma,
    saturate,
    shot_noise,
    spatter,
    speckle_noise,
    zoom_blur,
)
from tradeoff.corruptions.base import as_bytes, level
from tradeoff.corruptions.corrupt import corrupt

REFERENCE = json.loads((Path(__file__).parent / "corruptions_reference.json").read_text())
# No random numbers in these.
FIXED = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}
FIXED |= {"gaussian_blur", "saturate"}
# Their severities differ in kind too: weaker and stronger colour, wide and fine distortion, water and mud.
OF_SEVERAL_KINDS = {"saturate", "elastic_transform", "spatter"}
# Here the published fourth severity is milder than the third.
PUBLISHED_UNEVEN = {("frost", 32), ("glass_blur", 32)}


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def batch(size: int, n: int = 3) -> np.ndarray:
    """Different images, (n, 3, size, size)."""
    return np.stack([np.roll(made_up(size), 3 * index, axis=1).transpose(2, 0, 1) for index in range(n)])


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("name", [name for name in corruptions.CORRUPTIONS if name != "frost"])
def test_given_the_same_random_numbers_it_equals_the_reference(name: str, size: int) -> None:
    """tests/corruptions_reference.json comes from the code that made ImageNet-C: see benchmarks/corruptions.py."""
    module = corruptions.load(name)
    compared = [row for row in REFERENCE if row[:2] == [name, size]]
    assert len(compared) == 5
    for _, _, severity, values in compared:
        strength = level(module.LEVELS, size, severity)
        ours = as_bytes(module.apply(made_up(size) / 255, strength, generator(severity)))
        assert np.abs(ours.ravel()[PLACES[size]].astype(int) - values).max() <= 2


@pytest.mark.parametrize("size", [8, 33, 64, 96])
@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_any_size_gives_bytes_of_its_shape(name: str, size: int) -> None:
    images = batch(size, 2)
    for severity in corruptions.SEVERITIES:
        out = corrupt(images, np.array([3, 8]), name, severity, 0)
        assert out.shape == images.shape
        assert out.dtype == np.uint8
    assert (out != images).any()


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_black_and_white_images_are_corrupted_without_a_warning(name: str) -> None:
    images = np.stack([np.zeros((3, 32, 32), np.uint8), np.full((3, 32, 32), 255, np.uint8)])
    with np.errstate(all="raise"):
        for severity in corruptions.SEVERITIES:
            corrupt(images, np.arange(2), name, severity, 0)


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("name", sorted(set(corruptions.CORRUPTIONS) - OF_SEVERAL_KINDS))
def test_a_higher_severity_changes_a_photograph_more(name: str, size: int) -> None:
    photograph = Image.fromarray(load_sample_image("china.jpg")).resize((size, size), Image.Resampling.BOX)
    image, module = np.asarray(photograph) / 255, corruptions.load(name)
    errors = []
    for severity in corruptions.SEVERITIES:
        strength = level(module.LEVELS, size, severity)
        squares = [(module.apply(image, strength, generator(k)).clip(0, 1) - image) ** 2 for k in range(3)]
        errors.append(np.mean(squares))
    assert errors[4] > 1.2 * errors[0]
    if (name, size) not in PUBLISHED_UNEVEN:
        assert all(after > 0.9 * before for before, after in pairwise(errors))


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_a_samples_corruption_depends_on_nothing_else_in_the_batch(name: str) -> None:
    images, ids = batch(32, 4), np.array([7, 1, 900, 4])
    whole = corrupt(images, ids, name, 3, seed=5)
    alone = np.concatenate([corrupt(images[i : i + 1], ids[i : i + 1], name, 3, seed=5) for i in range(4)])
    assert (whole == alone).all()
    order = np.array([2, 0, 3, 1])
    assert (corrupt(images[order], ids[order], name, 3, seed=5) == whole[order]).all()


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
def test_seed_and_id_decide_what_is_random_and_only_that(name: str) -> None:
    images = np.repeat(batch(32, 1), 2, axis=0)
    first, second = corrupt(images, np.array([1, 2]), name, 4, seed=0)
    other = corrupt(images[:1], np.array([1]), name, 4, seed=1)[0]
    assert (first == second).all() == (first == other).all() == (name in FIXED)


def test_names_and_levels_are_complete() -> None:
    assert len(corruptions.COMMON) == 15
    assert len(corruptions.CORRUPTIONS) == 19
    assert set(corruptions.COMMON) < set(corruptions.CORRUPTIONS)
    for name in corruptions.CORRUPTIONS:
        assert {size: len(levels) for size, levels in corruptions.load(name).LEVELS.items()} == {
            32: 5,
            224: 5,
        }


def test_sizes_between_take_the_levels_of_the_nearer_published_size() -> None:
    levels = {32: "abcde", 224: "vwxyz"}
    assert [level(levels, size, 2) for size in (8, 32, 64, 65, 96, 224, 384)] == list("bbbwwww")


# --- noise


@pytest.mark.parametrize("strength", [0.04, 0.1])
def test_gaussian_noise_has_its_levels_deviation(strength: float) -> None:
    noise = gaussian_noise.apply(np.full((200, 200, 3), 0.5), strength, generator()) - 0.5
    assert noise.std() == pytest.approx(strength, rel=0.01)
    assert abs(noise.mean()) < 4 * strength / 120_000**0.5


def test_shot_noise_keeps_the_mean_and_its_variance_falls_with_the_photons() -> None:
    for photons in (5, 60):
        out = shot_noise.apply(np.full((200, 200, 3), 0.4), photons, generator())
        assert out.mean() == pytest.approx(0.4, rel=0.01)
        assert out.var() == pytest.approx(0.4 / photons, rel=0.02)


def test_impulse_noise_hits_a_share_of_values_half_black_half_white() -> None:
    out = impulse_noise.apply(np.full((200, 200, 3), 0.5), 0.09, generator())
    assert (out == 0).mean() == pytest.approx(0.045, rel=0.05)
    assert (out == 1).mean() == pytest.approx(0.045, rel=0.05)
    assert set(np.unique(out)) == {0, 0.5, 1}


def test_speckle_noise_grows_with_brightness() -> None:
    for grey in (0.2, 0.8):
        out = speckle_noise.apply(np.full((200, 200, 3), grey), 0.15, generator())
        assert out.std() == pytest.approx(0.15 * grey, rel=0.01)


# --- blur


def test_gaussian_blur_of_a_point_is_a_gaussian() -> None:
    image = np.zeros((31, 31, 3))
    image[15, 15] = 1
    y, x = np.mgrid[-15:16, -15:16]
    bell = np.exp(-(x**2 + y**2) / (2 * 2.0**2))
    out = gaussian_blur.apply(image, 2.0, generator())
    assert out == pytest.approx(np.repeat((bell / bell.sum())[..., None], 3, axis=2), abs=2e-4)


@pytest.mark.parametrize("strength", [(1.5, 0.1), (3, 0.1), (10, 0.5)])
def test_defocus_blur_of_a_point_is_a_disk(strength: tuple[float, float]) -> None:
    image = np.zeros((41, 41, 3))
    image[20, 20] = 1
    out = defocus_blur.apply(image, strength, generator())[..., 0]
    y, x = np.mgrid[-20:21, -20:21]
    distance = np.hypot(x, y)
    # The largest disks reach the border of their grid, and what softens them does not stop there: a little more.
    assert out.sum() == pytest.approx(1, abs=0.02 if strength[0] > 8 else 1e-9)
    inside = distance <= max(strength[0] - 3, 0)
    assert np.ptp(out[inside]) < 1e-9
    assert np.abs(out[distance > strength[0] + 3]).max() < 1e-9
    assert out[20, 20] == pytest.approx(1 / (distance <= strength[0]).sum(), rel=1e-6)


@pytest.mark.parametrize("degrees", [-120, -90, -30, 0, 45])
def test_motion_blur_draws_a_point_out_along_its_angle(degrees: float) -> None:
    image = np.zeros((61, 61, 3))
    image[30, 30] = 1
    out = motion_blur.streaked(image, 6, 3, degrees)[..., 0]
    rows, columns = np.nonzero(out)
    assert out.sum() == pytest.approx(1)
    # A pixel takes its value from those ahead, so the point's light goes the other way.
    along = (columns - 30) * np.cos(np.radians(degrees)) + (rows - 30) * np.sin(np.radians(degrees))
    across = (rows - 30) * np.cos(np.radians(degrees)) - (columns - 30) * np.sin(np.radians(degrees))
    assert np.abs(across).max() <= 0.71
    assert along.min() == pytest.approx(-12, abs=0.71)
    assert along.max() <= 1e-9
    steps = np.arange(13)
    weights = np.exp(-(steps**2) / (2 * 3**2))
    assert (out[rows, columns] * along).sum() == pytest.approx(
        -(weights * steps).sum() / weights.sum(), abs=0.2
    )


def test_motion_blur_leaves_a_plain_image_plain() -> None:
    image = np.full((20, 20, 3), 0.3)
    assert motion_blur.apply(image, (20, 15), generator()) == pytest.approx(image)


def test_an_enlarged_ramp_is_a_flatter_ramp() -> None:
    ramp = np.repeat(np.arange(32.0)[:, None], 32, axis=1)
    out = zoom_blur.enlarged(np.repeat(ramp[..., None], 3, axis=2), 1.25)
    kept = 26  # 32 / 1.25, rounded up
    expected = 3 + np.arange(32) * (kept - 1) / (32 - 1)
    assert out.shape == (32, 32, 3)
    assert out[:, 5, 1] == pytest.approx(expected, abs=0.05)


def test_glass_blur_moves_values_as_one_swap_after_another_would() -> None:
    size, reach, passes = 16, 2, 2
    source = glass_blur._sources(size, reach, passes, generator(3))
    picture = np.arange(size * size).reshape(size, size)
    moved, numbers = picture.copy(), generator(3)
    for _ in range(passes):
        down, right = numbers.integers(-reach, reach, (2, (size - 2 * reach) ** 2))
        places = [(h, w) for h in range(size - reach, reach, -1) for w in range(size - reach, reach, -1)]
        for (h, w), dy, dx in zip(places, down, right, strict=True):
            moved[h, w] = moved[h + dy, w + dx]
    assert (picture.ravel()[source].reshape(size, size) == moved).all()
    assert (moved[: reach + 1] == picture[: reach + 1]).all()
    assert (moved != picture).mean() > 0.4


# --- weather


def test_fog_on_white_shows_its_field() -> None:
    out = fog.apply(np.ones((64, 64, 3)), (1.5, 2), generator())
    field = plasma.plasma(64, 2, generator())
    assert out == pytest.approx(np.repeat(((1 + 1.5 * field) / 2.5)[..., None], 3, axis=2))


def test_plasma_is_midpoint_displacement() -> None:
    """Pixel by pixel, with the neighbours' places written out."""
    side, decay, numbers = 16, 1.7, generator(1)
    field, step, amplitude = np.zeros((side, side)), side, 1.0
    while step > 1:
        half = step // 2
        for row, column, arms in (
            (half, half, ((-half, -half), (-half, half), (half, -half), (half, half))),
            (0, half, ((0, -half), (0, half), (-half, 0), (half, 0))),
            (half, 0, ((0, -half), (0, half), (-half, 0), (half, 0))),
        ):
            for y in range(row, side, step):
                for x in range(column, side, step):
                    mean = sum(field[(y + dy) % side, (x + dx) % side] for dy, dx in arms) / 4
                    field[y, x] = mean + numbers.uniform(-amplitude, amplitude)
        step, amplitude = half, amplitude / decay**2
    expected = (field - field.min()) / (field.max() - field.min())
    assert plasma.plasma(side, decay, generator(1)) == pytest.approx(expected)
    assert plasma.plasma(13, decay, generator(1)) == pytest.approx(expected[:13, :13])


def test_ice_has_the_colours_and_contrasts_of_the_photographs_it_stands_for() -> None:
    textures = np.stack([frost.ice(72, generator(seed)) for seed in range(25)])
    colours = textures.mean(axis=(1, 2))
    nearest = [min(np.abs(colour - np.array(ice)).max() for ice, _ in frost.ICES) for colour in colours]
    assert max(nearest) < 0.02
    spreads = textures.std(axis=(1, 2)).mean()
    assert spreads == pytest.approx(np.mean([contrast for _, contrast in frost.ICES]), rel=0.15)


def test_snow_only_adds_light() -> None:
    images = batch(32, 3)
    assert (corrupt(images, np.arange(3), "snow", 5, 0) >= images).all()


# --- digital


def _with_colorsys(image: np.ndarray, change: object) -> np.ndarray:
    pixels = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in image.reshape(-1, 3)]  # type: ignore[operator]
    return np.array(pixels).reshape(image.shape)


@pytest.mark.parametrize("strength", [0.05, 0.5])
def test_brightness_adds_to_the_value_of_hsv(strength: float) -> None:
    image = made_up(24) / 255
    expected = _with_colorsys(image, lambda h, s, v: (h, s, min(v + strength, 1)))
    assert brightness.apply(image, strength, generator()) == pytest.approx(expected)


@pytest.mark.parametrize("strength", [(0.1, 0), (2, 0.1), (20, 0.2)])
def test_saturate_changes_the_saturation_of_hsv(strength: tuple[float, float]) -> None:
    image = made_up(24) / 255
    expected = _with_colorsys(image, lambda h, s, v: (h, min(s * strength[0] + strength[1], 1), v))
    assert saturate.apply(image, strength, generator()) == pytest.approx(expected)


def test_contrast_keeps_means_and_scales_deviations() -> None:
    image = made_up(32) / 255
    out = contrast.apply(image, 0.3, generator())
    assert out.mean(axis=(0, 1)) == pytest.approx(image.mean(axis=(0, 1)))
    assert out.std(axis=(0, 1)) == pytest.approx(0.3 * image.std(axis=(0, 1)))


def test_jpeg_equals_pillows_at_the_published_quality() -> None:
    images = batch(32, 1)
    file = io.BytesIO()
    Image.fromarray(images[0].transpose(1, 2, 0)).save(file, "JPEG", quality=58)
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
    assert (corrupt(images, np.arange(1), "jpeg_compression", 3, 0)[0] == expected).all()


def test_pixelate_makes_blocks_of_the_mean_of_what_they_cover() -> None:
    images = batch(224, 1)
    out = corrupt(images, np.arange(1), "pixelate", 2, 0)[0].astype(float)  # half the size
    blocks = images[0].reshape(3, 112, 2, 112, 2).mean(axis=(2, 4)).repeat(2, axis=1).repeat(2, axis=2)
    assert np.abs(out - blocks).max() <= 1  # Pillow rounds after rows and after columns


def test_elastic_smoothing_as_a_matrix_equals_scipys_blur() -> None:
    field = generator().uniform(-1, 1, (40, 40))
    smooth = elastic_transform._smoothing(40, 30.0)
    expected = gaussian_filter(field, 30.0, mode="reflect", truncate=3)
    assert smooth @ field @ smooth.T == pytest.approx(expected)


def test_elastic_affine_map_takes_the_moved_corners_back() -> None:
    size, most = 60, 8.0
    rows, columns = np.mgrid[:size, :size].astype(float)
    y, x = elastic_transform._affine(rows, columns, most, generator(2))
    moves = generator(2).uniform(-most, most, (3, 2))
    for (corner_x, corner_y), (dx, dy) in zip(((50, 50), (50, 10), (10, 10)), moves, strict=True):
        # The map is affine: its value beside the grid follows from its value at a pixel and its slopes.
        there = np.array([1, corner_x + dx, corner_y + dy])
        for values, expected in ((x, corner_x), (y, corner_y)):
            plane = [values[0, 0], values[0, 1] - values[0, 0], values[1, 0] - values[0, 0]]
            assert there @ plane == pytest.approx(expected)


def test_an_elastic_transform_of_no_strength_changes_nothing() -> None:
    image = made_up(32) / 255
    assert elastic_transform.apply(image, (0, 0, 0), generator()) == pytest.approx(image)


def test_distances_to_an_outline_are_those_of_king_and_knight() -> None:
    outlines = np.zeros((15, 15), bool)
    outlines[7, 7] = True
    expected = np.where(outlines, 0.0, np.inf)
    moves = [((1, 0), 1), ((0, 1), 1), ((1, 1), 1.4), ((1, -1), 1.4)]
    moves += [(move, 2.1969) for move in ((1, 2), (2, 1), (1, -2), (2, -1))]
    for _ in range(8):  # Bellman and Ford
        for (dy, dx), length in [*moves, *[((-y, -x), length) for (y, x), length in moves]]:
            padded = np.pad(expected, 2, constant_values=np.inf)
            expected = np.minimum(expected, padded[2 + dy : 17 + dy, 2 + dx : 17 + dx] + length)
    assert spatter._distances(outlines) == pytest.approx(expected)


def test_equalising_spreads_levels_by_their_rank() -> None:
    grey = np.array([[10, 10, 20, 30]], np.uint8)
    assert spatter._equalised(grey).tolist() == [[0, 0, 128, 255]]
    assert spatter._equalised(np.full((2, 2), 9, np.uint8)).tolist() == [[9, 9], [9, 9]]


def test_edges_follow_the_outline_of_a_square() -> None:
    grey = np.zeros((20, 20))
    grey[6:14, 6:14] = 200
    found = canny.edges(grey)
    inner = np.zeros((20, 20), bool)
    inner[5:15, 5:15] = True
    inner[7:13, 7:13] = False
    assert not (found & ~inner).any()
    assert found[6:14].any(axis=1).all() and found[:, 6:14].any(axis=0).all()
    assert not canny.edges(grey / 20).any()  # too faint
