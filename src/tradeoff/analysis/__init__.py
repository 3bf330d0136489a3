"""From probes to numbers: frontiers, areas, intervals. Nothing here imports torch."""
