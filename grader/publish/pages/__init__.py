"""The pages to publish, a leaderboard and one for each submission, in a folder that asks no server for anything."""
