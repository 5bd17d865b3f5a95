"""Where reruns go: this machine, or a Ray cluster."""
