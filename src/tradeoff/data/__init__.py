"""Datasets: where they come from, how they are fetched and packed, and which images a run sees."""
