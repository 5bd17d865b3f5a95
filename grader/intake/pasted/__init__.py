"""From a notebook with plain PyTorch to a submission that is to be looked over. Nothing of the notebook is run."""
