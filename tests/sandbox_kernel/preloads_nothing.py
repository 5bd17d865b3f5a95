"""In place of the fork server's preloading: nothing."""
