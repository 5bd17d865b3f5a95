"""The pages to publish: a leaderboard and a page for each submission, complete in one folder, asking nobody for anything."""
