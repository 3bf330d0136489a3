"""Our common corruptions against the reference implementation, image by image, given the same random numbers.

    uv venv .venv-corruptions --python 3.11
    uv pip install --python .venv-corruptions/bin/python imagenet-c==0.0.3 imagecorruptions==1.1.2 \\
        'numpy<2' scikit-image==0.20.0 scipy 'opencv-python-headless<4.9' 'setuptools<80' wand
    PYTHONPATH=src .venv-corruptions/bin/python -m benchmarks.corruptions --json corruptions.json \\
        --images data/packed/cifar10@32-squash/images.npy [--count 50]

`imagenet-c` is the code that made ImageNet-C. It needs ImageMagick's library (Debian: libmagickwand-6.q16-6) and
libraries of its time, so it has an environment of its own, which no lockfile holds; `imagecorruptions` lends the
photographs of frost. Images of 32 pixels are compared at our levels for CIFAR-10-C, put into the reference's
functions: there is no package with those. Where both draw the same random numbers in the same order they get the
same, and are compared pixel by pixel: the mean and the largest difference in grey levels, the share of values that
differ by more than two. Frost is compared by what it does to an image: mean, deviation and roughness of the change.
"""

import argparse
import contextlib
import importlib.resources
import inspect
import json
import re
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import skimage.filters
from numpy.random import Generator
from PIL import Image

from tests.corruptions_support import PLACES, made_up
from tradeoff import corruptions
from tradeoff.corruptions.base import LARGE, SMALL, as_bytes, level

SIZES = (SMALL, LARGE)
Reference = dict[str, Callable[[Image.Image, int], Any]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare our corruptions with the reference's.")
    parser.add_argument("--images", type=Path, help="(n, 3, H, H) uint8, H 32 or 224, .npy")
    parser.add_argument("--count", type=int, default=50, help="images, evenly from the file")
    parser.add_argument("--corruptions", default=",".join(corruptions.CORRUPTIONS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--fixture", type=Path, help="write what the tests compare with, and nothing else")
    arguments = parser.parse_args(argv)
    if arguments.fixture:
        arguments.fixture.write_text(_fixture())
        return
    stored = np.load(arguments.images, mmap_mode="r")
    places = np.linspace(0, len(stored) - 1, arguments.count).astype(int)
    images = stored[places].transpose(0, 2, 3, 1)
    reference = load_reference(images.shape[1])
    rows = []
    for name in arguments.corruptions.split(","):
        for severity in corruptions.SEVERITIES:
            compared = _compare(reference[name], name, severity, images)
            rows.append({"corruption": name, "size": images.shape[1], "severity": severity, **compared})
            print(json.dumps(rows[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def load_reference(size: int) -> Reference:
    """Return the reference's functions for images of `size` pixels."""
    if size not in SIZES:
        raise SystemExit(f"error: images of {size} pixels; expected {SMALL} or {LARGE}")
    with mock.patch.object(skimage.filters, "gaussian", _gaussian):
        from imagenet_c import corruptions as module
    photographs = importlib.resources.files("imagecorruptions") / "frost"
    module.resource_filename = lambda _, file: str(photographs / Path(file).name)
    made = types.ModuleType("reference")
    made.__dict__.update(vars(module))
    if size == SMALL:
        for name in ["plasma_fractal", *corruptions.CORRUPTIONS]:
            exec(_small_source(name, getattr(module, name)), vars(made))
    return {name: getattr(made, name) for name in corruptions.CORRUPTIONS}


_blurred = skimage.filters.gaussian


def _gaussian(image: np.ndarray, sigma: float, multichannel: bool = False, **more: Any) -> np.ndarray:
    """scikit-image's, with the keyword it had when the reference was written."""
    return _blurred(image, sigma=sigma, channel_axis=-1 if multichannel else None, **more)


def _small_source(name: str, function: Callable[..., Any]) -> str:
    """The source of a function of the reference, for 32 pixels."""
    source = inspect.getsource(function).replace("224", str(SMALL)).replace("mapsize=256", f"mapsize={SMALL}")
    if name == "frost":
        source = source.replace(
            "frost = cv2.imread(filename)", "frost = cv2.resize(cv2.imread(filename), (0, 0), fx=0.2, fy=0.2)"
        )
    if name not in corruptions.CORRUPTIONS:
        return source
    levels = [_as_the_reference_has_it(name, one) for one in corruptions.load(name).LEVELS[SMALL]]
    changed, found = re.subn(
        r"c = \[.*?\]\[severity - 1\]",
        lambda _: f"c = {levels!r}[severity - 1]".replace("array(", "np.array("),
        source,
        count=1,
        flags=re.DOTALL,
    )
    assert found == 1, name
    return changed


def _as_the_reference_has_it(name: str, one: Any) -> Any:
    if name == "zoom_blur":
        return [1 + index * one[0] for index in range(one[1])]
    if name == "elastic_transform":
        return tuple(length * SMALL for length in one)
    if name == "spatter":
        return (*one[:5], int(one[5] == "mud"))
    return one


def _compare(
    function: Callable[[Image.Image, int], Any], name: str, severity: int, images: np.ndarray
) -> dict[str, float]:
    module = corruptions.load(name)
    strength = level(module.LEVELS, images.shape[1], severity)
    ours_all, theirs_all = [], []
    for number, image in enumerate(images):
        ours_all.append(as_bytes(module.apply(image / 255, strength, np.random.default_rng(number))))
        theirs_all.append(_theirs(function, name, severity, image, number))
    a, b = np.stack(ours_all).astype(int), np.stack(theirs_all).astype(int)
    if name == "frost":
        return {
            f"{key} {who}": value
            for who, out in (("ours", a), ("theirs", b))
            for key, value in _change(out, images).items()
        }
    off = np.abs(a - b)
    return {
        "mean": round(float((a - b).mean()), 3),
        "largest": int(off.max()),
        "beyond_2": round(float((off > 2).mean()), 5),
        "psnr": round(float(10 * np.log10(255**2 / max((off**2).mean(), 1e-9))), 1),
    }


def _theirs(
    function: Callable[[Image.Image, int], Any], name: str, severity: int, image: np.ndarray, number: int
) -> np.ndarray:
    """The reference's image, given the numbers that we draw with this seed."""
    strength = level(corruptions.load(name).LEVELS, len(image), severity)
    reach = strength[1] if name == "glass_blur" else 0
    with _same_numbers(np.random.default_rng(number), len(image), reach):
        return np.uint8(function(Image.fromarray(image), severity))


def _fixture() -> str:
    """The reference's values at some pixels of a made-up image, as tests/test_corruptions_reference.py wants them."""
    lines = []
    for size in SIZES:
        reference, image = load_reference(size), made_up(size)
        for name in corruptions.CORRUPTIONS:
            if name == "frost":
                continue
            for severity in corruptions.SEVERITIES:
                values = _theirs(reference[name], name, severity, image, severity).ravel()
                lines.append(
                    json.dumps([name, size, severity, values[PLACES[size]].tolist()], separators=(",", ":"))
                )
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _change(out: np.ndarray, images: np.ndarray) -> dict[str, float]:
    change = out - images.astype(int)
    return {
        "mean": round(float(change.mean()), 1),
        "deviation": round(float(change.std(axis=(1, 2)).mean()), 1),
        "roughness": round(float(np.abs(np.diff(change, axis=1)).mean()), 1),
    }


@contextlib.contextmanager
def _same_numbers(generator: Generator, size: int, reach: int) -> Iterator[None]:
    """Let the reference draw from a generator, in the order we draw in."""
    pairs: Iterator[tuple[int, int]] = iter(())

    def randint(*limits: int, **shape: Any) -> Any:
        nonlocal pairs
        if not reach:
            return generator.integers(*limits, **shape)
        # We draw a whole pass of glass blur at once, the reference each pixel's.
        pair = next(pairs, None)
        if pair is None:
            down, right = generator.integers(*limits, (2, (size - 2 * reach) ** 2))
            pairs = iter(zip(right.tolist(), down.tolist(), strict=True))
            pair = next(pairs)
        return pair

    with (
        mock.patch.object(np.random, "randint", randint),
        mock.patch.object(np.random, "normal", generator.normal),
        mock.patch.object(np.random, "uniform", generator.uniform),
        mock.patch.object(np.random, "poisson", generator.poisson),
        mock.patch.object(np.random, "default_rng", return_value=generator),
    ):
        yield


if __name__ == "__main__":
    main()
