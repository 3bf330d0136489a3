"""Augmentations are torchvision's, image by image, with numbers that belong to the image."""

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from tradeoff.attacks.noise import Noise
from tradeoff.augmentation import augmented

NONE = {"flip": 0, "brightness": 0, "contrast": 0, "saturation": 0, "rotation": 0}
ALL = {"flip": 0.5, "brightness": 0.25, "contrast": 0.5, "saturation": 0.75, "rotation": 20}
NOISE = Noise(3, (3, 7))
IDS = torch.tensor([5, 0, 11, 2, 40, 41])


def images(height=12, width=12, dtype=torch.float64):
    return torch.rand(len(IDS), 3, height, width, generator=torch.Generator().manual_seed(0), dtype=dtype)


def draws():
    return NOISE.uniform(IDS, (5,), torch.float64)


def test_without_any_change_the_images_are_the_same():
    assert torch.equal(augmented(images(), IDS, NONE, NOISE), images())


@pytest.mark.parametrize(("name", "column"), [("brightness", 1), ("contrast", 2), ("saturation", 3)])
@pytest.mark.parametrize("spread", [0.25, 1.0])
def test_colours_are_torchvisions(name, column, spread):
    found = augmented(images(), IDS, NONE | {name: spread}, NOISE)
    adjust = getattr(reference, f"adjust_{name}")
    for image, draw, ours in zip(images(), draws()[:, column], found, strict=True):
        expected = adjust(image, float(1 - spread + 2 * spread * draw))
        assert torch.allclose(ours, expected, atol=1e-12)
    assert not torch.allclose(found, images(), atol=0.01)


@pytest.mark.parametrize("shape", [(12, 12), (9, 14)])
def test_rotation_is_torchvisions(shape):
    found = augmented(images(*shape), IDS, NONE | {"rotation": 30}, NOISE)
    for image, draw, ours in zip(images(*shape), draws()[:, 4], found, strict=True):
        angle = float(60 * draw - 30)
        expected = reference.rotate(image, angle, InterpolationMode.BILINEAR)
        # torchvision turns pixel centres and lets single precision decide at the rim.
        assert torch.allclose(ours[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=1e-5)


def test_about_the_stated_share_is_mirrored():
    ids = torch.arange(2000)
    pixels = torch.rand(1, 3, 4, 4).expand(2000, 3, 4, 4)
    found = augmented(pixels, ids, NONE | {"flip": 0.3}, NOISE)
    mirrored = (found == pixels.flip(3)).flatten(1).all(1)
    assert ((found == pixels).flatten(1).all(1) ^ mirrored).all()
    assert float(mirrored.float().mean()) == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 2000) ** 0.5)


def test_an_image_gets_its_own_numbers_whatever_the_batch():
    whole = augmented(images(), IDS, ALL, NOISE)
    for row in range(len(IDS)):
        one = slice(row, row + 1)
        assert torch.allclose(augmented(images()[one], IDS[one], ALL, NOISE), whole[one], atol=1e-12)
    assert not torch.allclose(augmented(images(), IDS, ALL, Noise(3, (3, 8))), whole, atol=0.01)
    assert float(whole.min()) >= 0 and float(whole.max()) <= 1
