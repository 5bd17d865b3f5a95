"""What leaves the grader: pages, gradebooks, feedback, W&B runs."""
