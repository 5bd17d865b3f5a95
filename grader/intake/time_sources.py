"""What tells when work was handed in, in words: what a system recorded, or else what can be guessed."""

BY_TABLE, BY_MARK = "times.csv", "the system's mark"
BY_WORKSHEET, BY_SCORES, BY_METADATA = "Moodle's worksheet", "Classroom 50's scores.csv", "Gradescope's metadata"
RECORDED = (BY_TABLE, BY_MARK, BY_WORKSHEET, BY_SCORES, BY_METADATA)  # by who took it in
BY_GIT, BY_COMMIT = "git, when it came to the main line", "git, by the author's clock"
BY_MEMBERS, BY_FILE = "the newest file in the archive", "the file's own date"
