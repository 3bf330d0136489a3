#!/bin/sh
# Slurm and munge, for tests/cluster: installed where that is possible; otherwise it says why not, which is no error.
PATH=$PATH:/usr/sbin:/sbin
if command -v slurmctld > /dev/null && command -v munged > /dev/null; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "Slurm is not here, and only root on Debian can install it"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
if ! { timeout 60 apt-get update -qq && timeout 180 apt-get install -qq --yes --no-install-recommends slurm-wlm munge; } > /dev/null 2>&1; then
    echo "Slurm is not here, and apt-get cannot install slurm-wlm and munge"
fi
