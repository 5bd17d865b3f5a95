"""The pages to publish, one for the leaderboard and each submission: one folder, complete, with no request to a server."""
