"""Families of backbones: what a strategy can rely on, read from a timm name alone, without torch."""

import re

from tradeoff.errors import UserError

# Family: (pattern of its timm names, class of timm that it must turn out to be, an example).
# The first that matches holds, so CLIP comes before the plain vision transformer.
FAMILIES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "clip_vit": (r"vit_[a-z0-9]+_patch\d+_clip_", ("VisionTransformer",), "vit_base_patch16_clip_224"),
    "vit": (
        r"(vit|deit|deit3)_[a-z0-9]+_patch\d+_(?!.*(distilled|dinov3|rope))",
        ("VisionTransformer",),
        "vit_base_patch16_224",
    ),
    "swin": (r"swin_", ("SwinTransformer",), "swin_base_patch4_window7_224"),
    "convnext": (r"convnext_", ("ConvNeXt",), "convnext_base"),
    "resnet": (r"(wide_)?resnet\d|resnext\d", ("ResNet",), "resnet50"),
    "mobilenet": (r"mobilenetv[123]_", ("EfficientNet", "MobileNetV3"), "mobilenetv2_100"),
}
ALL = tuple(FAMILIES)


def family_of(model: str) -> str:
    """Return the family of a timm model, with or without its weights' tag (`resnet50.a1_in1k`).

    UserError when it belongs to none that strategies know.
    """
    for family, (pattern, _, _) in FAMILIES.items():
        if re.match(pattern, model):
            return family
    examples = ", ".join(f"{family} ({example})" for family, (_, _, example) in FAMILIES.items())
    raise UserError("backbones: model", repr(model), f"a timm model of a known family: {examples}")
