"""What fine-tuning does to a pretrained model's robustness, and which way of fine-tuning trades best."""

__version__ = "0.1.0"
