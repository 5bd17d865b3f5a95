"""The rules: all that an instructor sets, read from `configs/assignment.yaml`."""

import ast
from datetime import datetime, timedelta
from functools import cache
from importlib.abc import InspectLoader
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)

from project.assignment import Assignment
from project.training.class_aliases import full_name

MOST_POINTS = 10**4  # for one thing
PARTS = ("report", "conclusion")  # what a person reads, and gives points for
Column = Literal["epochs_to_target", "seconds", "parameters"]  # that others boards than that of accuracy go by
PATHS = ("path", "train", "val", "test")  # arguments of data sources that name files or folders


def iso_time(value: Any) -> Any:
    """The time that an ISO 8601 text says. Refuses numbers, quoted ones too: they would be taken for seconds since 1970."""
    said = "write it as 2026-12-04T23:59:00+09:00"
    if isinstance(value, (int, float)):
        raise ValueError(said)
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(said) from None


def countable(moment: datetime | None) -> datetime | None:
    """The time. Refuses one so near the end of the calendar that days after it have none."""
    if moment and moment.year > LAST_YEAR:
        raise ValueError(f"take a year up to {LAST_YEAR}")
    return moment


LAST_YEAR = 9000
Moment = Annotated[AwareDatetime | None, BeforeValidator(iso_time), AfterValidator(countable)]  # with its zone


def pair(value: Any) -> Any:
    """What YAML writes as a list of two."""
    return tuple(value) if isinstance(value, list) else value


@cache
def classes_of(module: str) -> set[str]:
    """The classes that a module defines or imports, read without importing it; none of a module that there is not."""
    try:
        loader = getattr(find_spec(module), "loader", None)
        source = loader.get_source(module) if isinstance(loader, InspectLoader) else None
        found = [node for node in ast.walk(ast.parse(source or "")) if isinstance(node, (ast.ClassDef, ast.alias))]
    except (ImportError, SyntaxError, ValueError):  # ValueError where the path has no module
        return set()
    return {getattr(node, "asname", None) or node.name for node in found}


def known_dataset(dataset: dict[str, Any]) -> dict[str, Any]:
    """The dataset, its paths resolved. Refuses a class that its module lacks; to import that would take seconds."""
    path, arguments = dataset.get("class_path"), dataset.get("init_args", {})
    if not isinstance(path, str) or not isinstance(arguments, dict) or dataset.keys() - {"class_path", "init_args"}:
        raise ValueError("write class_path: project.datasets.glyphs.Glyphs, and its arguments below init_args:")
    dataset = {**dataset, "class_path": (path := full_name(path))}
    module, _, name = path.rpartition(".")
    if name not in classes_of(module):
        raise ValueError("there is no such class; name it in full, such as project.datasets.glyphs.Glyphs")
    # What lies there is the same from every working directory.
    paths = {name: value for name in PATHS if isinstance(value := arguments.get(name), str)}
    resolved = {name: str(Path(path).expanduser().resolve()) for name, path in paths.items()}
    return {**dataset, "init_args": {**arguments, **resolved}} if resolved else dataset


class Section(BaseModel):
    """A part of the rules; a key that is not in it is a mistake."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def but(self, **changes: Any) -> Self:
        """The same, but for these values."""
        return self.model_copy(update=changes)


class Limits(Section):
    """What one training may use.

    Attributes:
        minutes: Time, of which does not count what others took from a training's own cores (docs/trust.md).
        memory_gb: Memory of all its processes together, in GB (10^9 bytes).
        output_mb: Bytes that it may write, in MB (10^6 bytes).
        output_files: Files and folders that it may write.
        processes: Processes and threads at any moment.
    """

    minutes: float = Field(30, gt=0, le=10**4)
    memory_gb: float = Field(8, gt=0, le=10**4)
    output_mb: float = Field(500, gt=0, le=10**6)
    output_files: int = Field(2000, gt=0, le=10**6)
    processes: int = Field(256, gt=0, le=10**5)


class Criterion(Section):
    """One of the things that a reader gives points for.

    Attributes:
        name: The criterion's heading; `korean` is the heading in Korean, if there is another.
        points: The most points for it.
        seek: What a reader looks for, in a line.
    """

    name: str = Field(pattern=r"^[^\s:]([^\n:]{0,58}[^\s:])?$")
    korean: str = Field("", max_length=60)
    points: float = Field(gt=0, le=MOST_POINTS)
    seek: str = Field("", max_length=300)

    def heading(self, language: str) -> str:
        """Its name in a language: en or ko."""
        return self.korean or self.name if language == "ko" else self.name


class Rubric(Section):
    """The criteria by which a part is read; without any, it gets points as a whole."""

    report: tuple[Criterion, ...] = Field((), strict=False)
    conclusion: tuple[Criterion, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        for part in PARTS:
            names = [each.name for each in getattr(self, part)]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"the {part}'s criterion {twice[0]} is there twice")
        return self


class Points(Section):
    """The most points that a person may give for a part.

    Attributes:
        report, conclusion: Points, which come on top of those for the accuracy. With a rubric, the sum of its points.
        rubric: The criteria of each part.
        readers: Where several gave points for a text, the `last` ones count, or the `mean` of what each gave last.
        far_apart: Points for a part by which two readers may differ before that is told.
    """

    report: float = Field(5, ge=0, le=MOST_POINTS)
    conclusion: float = Field(5, ge=0, le=MOST_POINTS)
    rubric: Rubric = Rubric()
    readers: Literal["last", "mean"] = "last"
    far_apart: float = Field(2, ge=0)

    @model_validator(mode="after")
    def rubric_has_the_points(self) -> Self:
        for part in PARTS:
            if criteria := getattr(self.rubric, part):
                points = sum(each.points for each in criteria)
                if part not in self.model_fields_set:
                    object.__setattr__(self, part, points)  # before anybody has seen it
                elif not isclose(points, getattr(self, part)):
                    said = (
                        f"the {part}'s criteria have {points:g} points together, and the {part} {getattr(self, part):g}"
                    )
                    raise ValueError(f"{said}; leave that out, or make them equal")
        return self


class LateWork(Section):
    """What late work costs, and until when it is taken at all.

    Attributes:
        free_days: So many begun days after the deadline cost nothing; what comes on them is in time.
        points_a_day: Points that each further begun day costs.
        share_a_day: Share of the points that each costs instead, in [0, 1].
        last_date: Until then late work is graded at that cost; what `late` says holds afterwards.
    """

    free_days: int = Field(0, ge=0, le=365)
    points_a_day: float = Field(0, ge=0, le=10**4)
    share_a_day: float = Field(0, ge=0, le=1)
    last_date: Moment = Field(None, strict=False)

    @field_validator("share_a_day")
    @classmethod
    def one_kind_of_cost(cls, share: float, others: ValidationInfo) -> float:
        if share and others.data.get("points_a_day"):
            raise ValueError("a day costs points_a_day or a share_a_day, not both; leave one out")
        return share

    @property
    def costs(self) -> bool:
        """Whether a late day costs anything."""
        return self.points_a_day > 0 or self.share_a_day > 0


class Grades(Section):
    """How an accuracy becomes points.

    Attributes:
        cutoffs: Accuracies in [0, 1] with the points that they are worth, rising; below the first there are none. Without
            any, the points are 100 x accuracy.
        between: What is between two of them: `interpolated`, or the points of the lower one, in `steps`.
    """

    cutoffs: list[Annotated[tuple[float, float], BeforeValidator(pair)]] = []
    between: Literal["interpolated", "steps"] = "interpolated"

    @field_validator("cutoffs")
    @classmethod
    def rising(cls, cutoffs: list[tuple[float, float]]) -> list[tuple[float, float]]:
        if any(not 0 <= accuracy <= 1 or not 0 <= points <= MOST_POINTS for accuracy, points in cutoffs):
            raise ValueError(f"write [accuracy, points], the accuracy from 0 to 1, the points from 0 to {MOST_POINTS}")
        for (accuracy, points), (higher, more) in zip(cutoffs, cutoffs[1:]):
            if higher <= accuracy or more < points:
                raise ValueError(
                    f"accuracies must rise, and points not fall: [{higher:g}, {more:g}] is after "
                    f"[{accuracy:g}, {points:g}]"
                )
        return cutoffs

    @property
    def most(self) -> float:
        """The points of the highest accuracy."""
        return self.cutoffs[-1][1] if self.cutoffs else 100.0


class Practice(Section):
    """A practice round before the deadline, whose results are no grades.

    Attributes:
        per_day, in_all: How many attempts of a student are trained, by the day in the deadline's time zone; null for any
            number.
        until: When it ends, with its time zone; by default with the deadline.
        public: What its pages show: `ranks`, ranks and `accuracy`, or `all` that the final pages show.
    """

    per_day: int | None = Field(None, ge=1)
    in_all: int | None = Field(None, ge=1)
    until: Annotated[AwareDatetime | None, BeforeValidator(iso_time)] = Field(None, strict=False)
    public: Literal["ranks", "accuracy", "all"] = "all"


class Pages(Section):
    """What the published pages show of a submission.

    Attributes:
        names: A drawn pseudonym, the name as the student gave it, or the id.
        reports: Whether report and conclusion are on the pages.
        labels: When that is shown which tells labels of the images that score: accuracy by class, confusion matrix and
            mistakes. After the deadline, when nobody may hand in any more, so never without one; or always, as
            where `images` are public.
        mistakes: How many of the images that it got wrong with the most confidence, with their labels.
        best: How many of the highest ranks are marked as excellent.
        release: Whether pages and feedback are published `at_once`, or, where it is `manual`, when somebody releases them.
        boards: Columns of the leaderboard that have a page of their own, on which the lowest number is the best.
    """

    names: Literal["pseudonym", "name", "id"] = "pseudonym"
    reports: bool = True
    labels: Literal["after_deadline", "always"] = "after_deadline"
    mistakes: int = Field(12, ge=0)
    best: int = Field(3, ge=0)
    release: Literal["at_once", "manual"] = "at_once"
    boards: list[Column] = []


class Rules(Section, Assignment):
    """The assignment, and how it is graded.

    Attributes:
        student_folders: In a class's repository, where students' folders are: a pull request may change one of them.
        seeds: Trainings of each submission, each with a seed of its own, the same for everybody; their median ranks.
        seeds_near_target: Trainings of those whose accuracy cannot be told from the target by `seeds` of them.
        deadline: When submissions are due, with its time zone; of several attempts the last before it counts.
        late: What happens to a later one: `reject` it, or grade and `flag` it.
        late_work: Days that cost nothing, what the others cost, and a last date.
        reports: What a report or conclusion that is missing or too short does: `warn`, and cost its points, or, where the
            rules `demand` both, reject.
        staff: Patterns, such as `baseline-*`, of ids, or of names of what was handed in, that are no students': graded and
            shown without a rank, and in no gradebook. Who has another `role` than student on the roster is staff, too.
        monitor_fraction: Share of the validation split that a submission sees while it trains, in (0, 1).
        images: `hidden`, or `public` where students can have the images that score: then the leaderboard says so.
        dataset: The images: `class_path` and `init_args` of a data source.
        dataset_replaced: What the rules' file names, where `--dataset` took its place; for the results folder to remember.
        limits: What one training may use.
        trainings_per_gpu: How many trainings the grader may run at once on each GPU. Accuracy alone ranks; with more than
            one, the seconds on the leaderboard tell less, and a training that needs the whole memory may have to be tried again.
        grades: How many points an accuracy is worth.
        bonus: The most points for report and conclusion, and how they are given.
        site: What the published pages show.
        practice: How often students may practise, and what its pages show.
    """

    student_folders: str = Field("students/*", pattern=r"^[^/]+(/[^/]+)*$")
    seeds: int = Field(1, ge=1, le=99)
    seeds_near_target: int = Field(3, ge=1, le=99)
    deadline: Moment = Field(None, strict=False)
    late: Literal["reject", "flag"] = "reject"
    late_work: LateWork = LateWork()
    reports: Literal["warn", "demand"] = "warn"
    staff: list[str] = []
    monitor_fraction: float = Field(0.2, gt=0, lt=1)
    images: Literal["hidden", "public"] = "hidden"
    dataset: Annotated[dict[str, JsonValue], AfterValidator(known_dataset)] = {
        "class_path": "project.datasets.glyphs.Glyphs"
    }
    dataset_replaced: dict[str, JsonValue] | None = None
    limits: Limits = Limits()
    trainings_per_gpu: int = Field(1, ge=1, le=99)
    grades: Grades = Grades()
    bonus: Points = Points()
    site: Pages = Pages()
    practice: Practice = Practice()

    @field_validator("late_work")
    @classmethod
    def fits_the_deadline(cls, late_work: LateWork, others: ValidationInfo) -> LateWork:
        deadline, late, last = others.data.get("deadline"), others.data.get("late"), late_work.last_date
        if deadline is None and late_work != LateWork():
            raise ValueError("nothing is late without a deadline; write one")
        if deadline and last and last <= deadline:
            raise ValueError(f"last_date must lie after the deadline, {deadline.isoformat()}")
        if deadline and last and last < deadline + timedelta(days=late_work.free_days):
            raise ValueError(f"last_date comes before the {late_work.free_days} free days after the deadline are over")
        if late_work.costs and late == "reject" and last is None:
            raise ValueError("late days cost something only where late work is graded; add a last_date, or late: flag")
        return late_work

    @field_validator("practice")
    @classmethod
    def ends_by_the_deadline(cls, practice: Practice, others: ValidationInfo) -> Practice:
        deadline = others.data.get("deadline")
        if deadline and practice.until and practice.until > deadline:
            raise ValueError(f"until must not lie after the deadline, {deadline.isoformat()}, with which practice ends")
        return practice

    @property
    def free_until(self) -> datetime | None:
        """Until when a hand-in is in time: the deadline, and the free days after it."""
        return self.deadline and self.deadline + timedelta(days=self.late_work.free_days)

    @property
    def taken_until(self) -> datetime | None:
        """After which moment what `late` says holds."""
        return self.late_work.last_date or self.free_until

    @property
    def of_images(self) -> str:
        """What a leaderboard says of the images that score; nothing where they are hidden."""
        return "The images that score are public: their labels can be looked up." if self.images == "public" else ""

    def labels_shown(self, now: datetime, extended: datetime | None = None) -> bool:
        """Whether pages may show at that time, with its time zone, what tells labels of the images that score.

        Args:
            extended: Until when somebody may still hand in by an extension.
        """
        if self.images == "public" or self.site.labels == "always":
            return True
        last = max(filter(None, (self.free_until, self.taken_until, extended)), default=None)
        return last is not None and now > last

    def with_dataset(self, dataset: dict[str, Any]) -> Self:
        """The same on other images than their file names."""
        return self.but(dataset=dataset, dataset_replaced=self.dataset)

    def with_images_of(self, graded: "Rules") -> Self:
        """The same on the images that others graded on and on their split, but for what these choose otherwise."""
        kept: dict[str, Any] = {}
        if "dataset" not in self.model_fields_set or self.dataset in (graded.dataset, graded.dataset_replaced):
            kept = {"dataset": graded.dataset, "dataset_replaced": graded.dataset_replaced}
            if "images" not in self.model_fields_set:
                kept["images"] = graded.images
        if "monitor_fraction" not in self.model_fields_set:
            kept["monitor_fraction"] = graded.monitor_fraction
        return self.but(**kept)
