"""A grade, line by line, from what was measured to the total."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from grader.grading.grades import Grade, highest_total
from grader.grading.personal_rules import extended, held_to
from grader.grading.ranking import Entry, band
from grader.grading.readings import points_in, things_in
from grader.grading.verdicts import Verdict
from grader.intake.checks import NOT_THERE, for_instructor
from grader.intake.time_sources import BY_MARK
from grader.ledger import decision_kinds as kinds
from grader.ledger.decision_kinds import EXEMPT, LATE, POINTS, REPORTS, UNDO
from grader.ledger.decisions import CLASS, Decision
from grader.ledger.measurement import Measurement
from grader.ledger.submissions import Graded
from grader.rules import Grades, Rules
from grader.secret import Secret, training_seed
from project.support.wording import counted, listed

EXEMPT_FROM = {LATE: "being late", REPORTS: "the demand of report and conclusion"}
Line = tuple[str, str]  # what a line is about, and what it says


def explained(graded: Graded, said: Verdict, entry: Entry, rules: Rules, secret: Secret) -> list[Line]:
    """The lines of one student. They are for an instructor's terminal: what the student's own code wrote is in them."""
    lines = [*time(graded, rules), *trainings(graded, said, rules, secret)]
    if (decided := said.decided) and entry.accuracy is not None:
        by = f" by the median of {counted(said.decided_by, 'training')}, {decided.accuracy:.2%}"
        above = "above" if said.name == "passed" else "not above"
        of = (
            "first training, which ranks"
            if entry.seeds == 1
            else f"median of the first {entry.seeds} trainings, which rank"
        )
        lines.append(("accuracy", f"{entry.accuracy:.2%}, the {of}"))
        place = "; staff has no rank" if entry.staff else f"; rank {band(entry)}"
        lines.append(("target", f"{above} {rules.target}{by}{place}"))
    lines.append(("verdict", ": ".join(filter(None, [said.name, for_instructor(said.reason)]))))
    why = "whoever this was has withdrawn" if entry.verdict == "withdrawn" else "there is no accuracy that counts"
    none = [("total", f"none, as {why}")]
    if entry.bonus:
        none += [
            ("points", f"{entry.bonus:g} for report and conclusion wait, and are shown to nobody, until there is one")
        ]
    return [*lines, *(made_of(entry, entry.grade, rules) if entry.grade else none)]


def time(graded: Graded, rules: Rules) -> Iterator[Line]:
    """When it was handed in, and when it was due."""
    if graded.digest:
        when, by = (at(graded.submitted) if graded.submitted else ""), f"by {graded.time_by}" * bool(graded.time_by)
        in_time = "marked as late" if graded.marked_late else "in time" * (not when and graded.time_by == BY_MARK)
        known = [when or in_time or "nothing tells when", by, in_time * bool(when)]
        yield "handed in", f"{graded.source or graded.digest[:12]}: {', '.join(filter(None, known))}"
    if rules.deadline:
        due, terms, free = extended(rules, graded.terms), graded.terms, rules.late_work.free_days
        own = f", extended to {at(due)}" if due else ""
        own = ", which this student is exempt from" if LATE in terms.exempt else own
        last = held_to(rules, terms).late_work.last_date
        yield (
            "deadline",
            f"{at(rules.deadline)}{own}"
            + (f"; {counted(free, 'day')} free" if free else "")
            + (f"; last date {at(last)}" if last else ""),
        )


def at(moment: datetime) -> str:
    """A time, with its seconds where it has any: half a minute late is late."""
    return moment.isoformat(" ", "seconds" if moment.second or moment.microsecond else "minutes")


def trainings(graded: Graded, said: Verdict, rules: Rules, secret: Secret) -> Iterator[Line]:
    """What each training came to."""
    for index, measurement in graded.measurements.items():
        ranks = " (ranks)" if measurement is said.ranked else ""
        yield f"training {index + 1}", f"seed {training_seed(secret, index)}: {came_to(measurement, rules)}{ranks}"


def came_to(measurement: Measurement, rules: Rules) -> str:
    """The accuracy, or what stood in its way; and what of the limits was used."""
    used = [
        f"{measurement.epochs} of {rules.max_epochs} epochs" if measurement.epochs else "",
        f"{measurement.seconds / 60:.2f} of {rules.limits.minutes:g} minutes" if measurement.seconds else "",
        f"{measurement.peak_memory / 1e9:.2f} of {rules.limits.memory_gb:g} GB" if measurement.peak_memory else "",
    ]
    first = (
        f"{measurement.outcome}: {measurement.said}" if measurement.accuracy is None else f"{measurement.accuracy:.2%}"
    )
    return ", ".join(filter(None, [first, *used]))


def decisions_about(history: Iterable[Decision], rules: Rules) -> Iterator[tuple[Decision, bool]]:
    """The decisions in force about a student, the first one first, and whether later ones have taken the place of each."""
    by_reader = rules.bonus.readers == "mean"
    made = [each for each in history if each.in_force and each.kind != UNDO]

    def about(each: Decision) -> list[tuple[str, ...]]:
        what = [each.value["from"]] if each.kind == EXEMPT else things_in(each.value) if each.kind == POINTS else [""]
        return [(each.kind, each.student, each.by if each.kind == POINTS and by_reader else "", one) for one in what]

    last = {what: each.id for each in made for what in about(each)}
    return ((each, each.id not in {last[what] for what in about(each)}) for each in made)


def in_words(decision: Decision, student: str) -> str:
    """A decision for whoever asks about this student: what, by whom, when and why."""
    of = f" for {decision.student}, who handed in for the group" if decision.student not in (student, CLASS) else ""
    why = f", because: {decision.why}" if decision.why else ""
    return f"{decided(decision)}{of}, by {decision.by or 'unknown'} on {decision.moment} (decision {decision.id}){why}"


def decided(decision: Decision) -> str:
    """What was decided."""
    value = decision.value
    match decision.kind:
        case kinds.EXTEND if days := value.get("days"):
            return f"deadline extended by {counted(days, 'day')}"
        case kinds.EXTEND:
            return f"deadline extended to {at(datetime.fromisoformat(value['until']))}"
        case kinds.EXEMPT:
            return f"exempt from {EXEMPT_FROM.get(value['from'], value['from'])}"
        case kinds.POINTS:
            said = ", ".join(f"{name} {points:g}" for name, points in points_in(value).items())
            said = f"points: {said}" if said else "points left as they were"
            said += f", with the comment {value['comment']!r}" if value.get("comment") else ""
            return said + ", stopped in the middle" * bool(value.get("unfinished"))
        case kinds.READERS:
            return f"to be read by {listed(value['readers'])}"
        case kinds.REGRADE:
            return "graded anew"
    return {kinds.DISQUALIFY: "disqualified", kinds.RELEASE: "results released"}.get(decision.kind, "withdrawn")


def gradebook(entry: Entry, cell: str, practice: bool) -> str:
    """What goes into the gradebook, given what the gradebook's cell holds of a student in the final round."""
    if practice:
        return "nothing, for practice gives no grades"
    if entry.staff:
        return "nothing, for staff is in no gradebook"
    if entry.verdict == "withdrawn":
        return "nothing, for whoever has withdrawn is in no gradebook"
    return cell or "empty, for it is not graded yet"


def made_of(entry: Entry, made: Grade, rules: Rules) -> Iterator[Line]:
    """What a total is made of."""
    yield "points", f"{made.accuracy:.2f} for the accuracy, {by_cutoffs(rules.grades)}"
    for part, given in (("report", made.report), ("conclusion", made.conclusion)):
        who = entry.points["given"].get(part, "") if entry.points else ""
        by = f", by {who}" if who else ""
        by += ", for an earlier hand-in" if entry.points and part in entry.points["earlier"] else ""
        by += "; a reader stopped in the middle, and `review` asks for the rest" * bool(
            entry.points and entry.points["unfinished"]
        )
        missing = any(said.startswith(f"{part.upper()}.md: {NOT_THERE}") for said in entry.warnings)
        unread = "none was handed in" if missing else "not read yet"
        read = entry.points and part in entry.points["given"]
        yield part, f"{given:.2f} of {getattr(rules.bonus, part):g}{by}" if read else unread
    if made.days_late:
        each = f"{rules.late_work.points_a_day:g} points"
        if rules.late_work.share_a_day:
            each = f"{100 * rules.late_work.share_a_day:g} % of the points"
        free = f", {made.days_free} of them free" if made.days_free else ""
        if made.penalty:
            yield "late", f"-{made.penalty:.2f} for {counted(made.days_late, 'begun day')}{free}, at {each} a day"
        else:
            yield "late", f"{counted(made.days_late, 'begun day')}{free}, without any cost"
    yield "total", f"{made.total:.2f} of {highest_total(rules):g} at most"


def by_cutoffs(grades: Grades) -> str:
    """How an accuracy becomes points."""
    if not grades.cutoffs:
        return "100 x accuracy"
    steps = ", ".join(f"{points:g} from {100 * accuracy:g} %" for accuracy, points in grades.cutoffs)
    return f"by the cut-offs: {steps}; {'interpolated' if grades.between == 'interpolated' else 'in steps'}"
