#!/usr/bin/env bash
# Training over four hosts of a Slurm cluster: sbatch docs/cluster/train-slurm.sh, from an installed checkout that all see.
#SBATCH --job-name=train
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --output=train-%j.log
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export COORDINATOR="$first:5070"

# A worker that is lost ends the others. The same command goes on from the last epoch that rank 0 has kept; a host that is
# gone needs a new allocation: --requeue above, or sbatch again.
for attempt in 1 2 3 4 5; do
  srun --kill-on-bad-exit=1 bash -c 'exec .venv/bin/python -m flowers_core train squeezenet --backend jax --device gpu \
    --records data/192 --output results/training/squeezenet --resume \
    --workers "$SLURM_NTASKS" --coordinator "$COORDINATOR" --rank "$SLURM_PROCID" --meet 10m' && exit 0
  echo "attempt $attempt ended" >&2
done
exit 1
