"""Write AdapterHub's logits and gradients, with the weights they belong to.

    .venv-adapterhub/bin/python tests/adapterhub/reference.py OUTPUT_FOLDER

Runs in an environment of its own, since AdapterHub needs an older transformers. For every strategy and precision
it writes <strategy>.<dtype>.safetensors with `images`, `logits`, and under AdapterHub's names `weights/...` and
`gradients/...` of every parameter, for the loss sum(logits * direction).
"""

import sys
from pathlib import Path

import adapters
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification

IN_BRANCHES = {"mh_adapter": True, "output_adapter": True, "non_linearity": "gelu"}
CONFIGS = {
    "lora": adapters.LoRAConfig(
        r=8, alpha=16, attn_matrices=["q", "k", "v"], intermediate_lora=True, output_lora=True
    ),
    "adapter": adapters.DoubleSeqBnConfig(reduction_factor=8, **IN_BRANCHES),
    "compacter": adapters.CompacterConfig(reduction_factor=16),
    "ia3": adapters.IA3Config(attn_matrices=["k", "v"], intermediate_lora=True, output_lora=True),
}


def main(output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    for name, config in CONFIGS.items():
        for dtype in (torch.float64, torch.float32):
            model = randomised(config).to(dtype)
            generator = torch.Generator().manual_seed(1)
            images = torch.rand(5, 3, 16, 16, dtype=torch.float64, generator=generator).to(dtype)
            direction = torch.randn(5, 7, dtype=torch.float64, generator=generator).to(dtype)
            logits = model((images - 0.5) / 0.5).logits
            (logits * direction).sum().backward()
            tensors = {"images": images, "direction": direction, "logits": logits.detach()}
            for key, parameter in model.named_parameters():
                tensors[f"weights/{key}"] = parameter.detach().clone()
                if parameter.grad is not None:
                    tensors[f"gradients/{key}"] = parameter.grad
            save_file(tensors, output / f"{name}.{str(dtype).removeprefix('torch.')}.safetensors")


def randomised(config: adapters.AdapterConfig) -> ViTForImageClassification:
    """Return a small ViT with the modules of `config`, every parameter drawn, all of them with gradients."""
    architecture = ViTConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        image_size=16,
        patch_size=8,
        layer_norm_eps=1e-12,
        num_labels=7,
    )
    model = ViTForImageClassification(architecture)
    adapters.init(model)
    model.add_adapter("tested", config=config)
    model.set_active_adapters("tested")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, parameter in model.double().named_parameters():
            scale = 0.3 if parameter.ndim == 1 or "phm_rule" in key else parameter[0].numel() ** -0.5
            centre = 1.0 if "layernorm" in key and key.endswith("weight") else 0.0
            parameter.copy_(
                centre + scale * torch.randn(parameter.shape, generator=generator, dtype=torch.double)
            )
            parameter.requires_grad_(True)
    return model.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
