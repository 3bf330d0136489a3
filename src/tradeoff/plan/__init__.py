"""What a study will cost before it runs: jobs, image-attacks, FLOPs, disk and hours. Nothing here imports torch
unless a model or an attack is met for the first time."""
