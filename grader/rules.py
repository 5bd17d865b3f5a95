"""The rules: all that an instructor sets, read from `configs/assignment.yaml`."""

import ast
from datetime import datetime
from importlib.abc import InspectLoader
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from project.assignment import Assignment

Column = Literal["epochs_to_target", "seconds", "parameters"]  # that others boards than that of accuracy go by
PATHS = ("path", "train", "val", "test")  # arguments of data sources that name files or folders


def no_number(value: Any) -> Any:
    """Refuse a number for a date: it would be taken for seconds since 1970."""
    if isinstance(value, (int, float)):
        raise ValueError("write it as 2026-12-04T23:59:00+09:00")
    return value


def known_dataset(dataset: dict[str, Any]) -> dict[str, Any]:
    """The dataset, its paths resolved. Refuses a class that its module lacks; to import that would take seconds."""
    path, arguments = dataset.get("class_path"), dataset.get("init_args", {})
    if not isinstance(path, str) or not isinstance(arguments, dict) or dataset.keys() - {"class_path", "init_args"}:
        raise ValueError("write class_path: project.datasets.glyphs.Glyphs, and its arguments below init_args:")
    module, _, name = path.rpartition(".")
    try:
        loader = getattr(find_spec(module), "loader", None)
        source = loader.get_source(module) if isinstance(loader, InspectLoader) else None
        found = [node for node in ast.walk(ast.parse(source or "")) if isinstance(node, (ast.ClassDef, ast.alias))]
    except (ImportError, SyntaxError, ValueError):  # ValueError where the path has no module
        found = []
    if name not in {getattr(node, "asname", None) or node.name for node in found}:
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


class Points(Section):
    """The most points that a person may give for a part.

    Attributes:
        report, conclusion: Points; the total on the leaderboard is 100 x accuracy + these.
    """

    report: float = Field(5, ge=0)
    conclusion: float = Field(5, ge=0)


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
    until: Annotated[AwareDatetime | None, BeforeValidator(no_number)] = Field(None, strict=False)
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
        boards: Columns of the leaderboard that have a page of their own, on which the lowest number is the best.
    """

    names: Literal["pseudonym", "name", "id"] = "pseudonym"
    reports: bool = True
    labels: Literal["after_deadline", "always"] = "after_deadline"
    mistakes: int = Field(12, ge=0)
    best: int = Field(3, ge=0)
    boards: list[Column] = []


class Rules(Section, Assignment):
    """The assignment, and how it is graded.

    Attributes:
        student_folders: In a class's repository, where students' folders are: a pull request may change one of them.
        seeds: Trainings of each submission, each with a seed of its own, the same for everybody; their median ranks.
        seeds_near_target: Trainings of those whose accuracy cannot be told from the target by `seeds` of them.
        deadline: When submissions are due, with its time zone; of several attempts the last before it counts.
        late: What happens to a later one: `reject` it, or grade and `flag` it.
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
        bonus: The most points for report and conclusion.
        site: What the published pages show.
        practice: How often students may practise, and what its pages show.
    """

    student_folders: str = Field("students/*", pattern=r"^[^/]+(/[^/]+)*$")
    seeds: int = Field(1, ge=1, le=99)
    seeds_near_target: int = Field(3, ge=1, le=99)
    deadline: Annotated[AwareDatetime | None, BeforeValidator(no_number)] = Field(None, strict=False)
    late: Literal["reject", "flag"] = "reject"
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
    bonus: Points = Points()
    site: Pages = Pages()
    practice: Practice = Practice()

    @property
    def of_images(self) -> str:
        """What a leaderboard says of the images that score; nothing where they are hidden."""
        return "The images that score are public: their labels can be looked up." if self.images == "public" else ""

    def labels_shown(self, now: datetime) -> bool:
        """Whether pages may show at that time, with its time zone, what tells labels of the images that score."""
        if self.images == "public" or self.site.labels == "always":
            return True
        return self.deadline is not None and now > self.deadline

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
