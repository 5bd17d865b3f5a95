-- Rows are added, never changed.
-- - submissions: what a student handed in; the student's last row counts. `images` is the key of dataset and split. Where
--   `digest` is empty, nothing was handed in. `time_by` is what told when; `flags` are a JSON list; `known_as` is a
--   JSON object: what others than the student call the student.
-- - runs: over which folder, and in `hand_ins`, a JSON object, where the hand-in that counted for each student lay.
-- - findings: what the checks said of a student's submission; `checks` names the checks and the rules they went by.
-- - measurements: what trainings came to. `variant` names the variant in an ablation, and is empty for the submission.
--   A row with `counts` decides about its training until another one replaces it: a limit had stopped the training, was
--   raised, and the training was made again. Infrastructure rows are our own faults, and never count.
-- - decisions: what persons decided, with who, when and why. `value` is a JSON object, as the kind asks for. `student` is
--   empty where it is about all. `undoes` is 0, or the decision that this one takes back. A `regrade` begins a new round of
--   measurements for a student; those of earlier rounds stay.
CREATE TABLE submissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, taken_in TEXT NOT NULL,
    student TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, tier TEXT NOT NULL, source TEXT NOT NULL,
    submitted TEXT, marked_late INTEGER NOT NULL, images TEXT NOT NULL,
    time_by TEXT NOT NULL DEFAULT '', flags TEXT NOT NULL DEFAULT '[]', known_as TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, folder TEXT NOT NULL, hand_ins TEXT NOT NULL
);
CREATE TABLE findings (
    student TEXT NOT NULL, digest TEXT NOT NULL, checks TEXT NOT NULL, findings TEXT NOT NULL,
    PRIMARY KEY (student, digest, checks)
);
CREATE TABLE measurements (
    id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL, ended TEXT NOT NULL,
    student TEXT NOT NULL, digest TEXT NOT NULL, images TEXT NOT NULL, variant TEXT NOT NULL,
    training INTEGER NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, replaces INTEGER NOT NULL,
    counts INTEGER NOT NULL, measurement TEXT NOT NULL, circumstances TEXT NOT NULL
);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, by TEXT NOT NULL, kind TEXT NOT NULL,
    student TEXT NOT NULL, value TEXT NOT NULL, why TEXT NOT NULL, undoes INTEGER NOT NULL
);
CREATE UNIQUE INDEX one_measurement
    ON measurements (student, digest, images, variant, seed, round, replaces) WHERE counts;
CREATE INDEX measurements_by_student ON measurements (student, digest);
CREATE INDEX submissions_by_student ON submissions (student);
