"""One file per dataset: a `SOURCE`, and for drawn or bundled images a `generate` function."""
