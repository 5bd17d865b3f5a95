"""From what was handed in to a Submission, and what is wrong with it, before anything of it runs."""
