#!/usr/bin/env bash
# Scaling over four hosts of a Slurm cluster: sbatch docs/cluster/slurm.sh, from an installed checkout that all of them see.
#SBATCH --job-name=scaling
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --time=01:00:00
#SBATCH --output=scaling-%j.log
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export COORDINATOR="$first:5070"

# One task a host: each is a worker, and the first, rank 0, is the coordinator.
srun --kill-on-bad-exit=1 bash -c 'exec .venv/bin/python -m bench scaling --model squeezenet --backend jax --device gpu \
  --replicas 1 --workers 1,2,4 --coordinator "$COORDINATOR" --rank "$SLURM_PROCID" --meet 10m'
