"""One module per figure: `draw(results)` returns the figure and the table of what it shows."""
