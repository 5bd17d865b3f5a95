"""The command line: `python -m grader COMMAND`; `make_parser`, with the files of commands beside this one, has them all."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import project
from grader.backup_commands import add_backup_commands
from grader.board_commands import add_board_commands
from grader.decision_commands import add_decision_commands, decider
from grader.grade_commands import add_grade_commands
from grader.intake import checks, packing
from grader.intake.families import OWN, foreseen, lacking, named
from grader.intake.git_repositories import is_packed
from grader.intake.grammar import texts_in
from grader.intake.pull_request import changed_paths, check_new, own_folder
from grader.intake.submission import Submission, take_in
from grader.intake.whole_download import check_unpacked
from grader.publish.told_korean import in_one_line, told, told_evidence, told_finding
from grader.reading_commands import add_reading_commands
from grader.rules import Column, Rules
from grader.safe_text import escaped, in_words, printable, table_row
from project.assignment import RULES
from project.support.arguments import ArgumentParser
from project.support.errors import STOPPED, UserError, exit_status
from project.support.files import output
from project.support.wording import did_you_mean

if TYPE_CHECKING:  # with it comes torch, which nobody who checks a submission should have to wait for
    from grader.engines.engine import Engine
    from grader.grading.settings import Settings

TRAINED_AS = RULES.parents[1] / "submission"  # where main.py finds a submission's own modules
MEND = {"family_missing": "see `python main.py fit`, which says what is in effect"}  # by how a trial ended
ADDRESS = os.environ.get("RAY_ADDRESS", "127.0.0.1:6379")


def main(args: Sequence[str]) -> int:
    """Run a command. Exit status 0; 1 where one is rejected or has no row; 2 for a mistake of the caller's; 130 stopped."""
    status = exit_status(run_command, args)
    if status == STOPPED:
        print("\nStopped. Nothing is lost: the same command goes on from here.", file=sys.stderr)
    return status


def run_command(args: Sequence[str]) -> int:
    """Run a command. Raises UserError for a mistake in it."""
    options = make_parser().parse_args(args)
    return options.command(options) or 0  # nothing where only success can come of it


def make_parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m grader", description="Check, rerun and rank submissions.")
    parser.add_argument("--version", action="version", version=f"Fifteen Epochs {project.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        function: Callable[[argparse.Namespace], int | None], summary: str, *parents: ArgumentParser
    ) -> Callable[..., argparse.Action]:
        """Add a command with its function's name. Returns what adds an argument to it."""
        added = commands.add_parser(function.__name__.rstrip("_"), help=summary, description=summary, parents=parents)
        added.set_defaults(command=function)
        return added.add_argument

    rules, results, training, trial = (ArgumentParser(add_help=False) for _ in range(4))  # what commands share
    rules.add_argument("--rules", type=Path, default=RULES, metavar="YAML", help="the assignment's rules (%(default)s)")
    results.add_argument("results", type=Path, metavar="RESULTS", help="the folder that `run` wrote")
    add = training.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="a GPU where there is one (auto)")
    add("--unsafe-no-sandbox", action="store_true", help="run student code WITHOUT a sandbox, with all your rights")
    add("--engine", choices=("local", "ray"), default="local", help="this machine, or the Ray cluster it is in (local)")
    add("--address", metavar="HOST:PORT", help=f"ray: the cluster's head ({ADDRESS})")
    add("--jobs", type=positive, metavar="N", help="trainings at once on a CPU (as many as cores and memory allow)")

    add = trial.add_argument
    add("--try", dest="trial", action="store_true", help="build the network in a sandbox, and say what is in effect")
    add("--dataset", type=Path, help="--try on these images (folder, archive, CSV, IDX), not on the rules' dataset")
    add("--unsafe-no-sandbox", action="store_true", help="--try WITHOUT a sandbox, with all your rights")
    add("--language", choices=("en", "ko"), default="en", help="of what is said (en)")

    add = command(check, "Say what the grader will say of a submission, before any training.", rules, trial)
    add("path", type=Path, help="the submission: a folder, zip or tar")
    add("--summary", type=Path, metavar="FILE", help="append the same to this file, as Markdown")
    add(
        "--changed", type=Path, metavar="FILE", help="path is a class's repository, in which this changes (git diff -z)"
    )

    add = command(pack, "Check a submission, and write the archive to hand in.", rules, trial)
    add("path", type=Path, help="the submission's folder")
    add("--out", type=Path, metavar="ZIP", help="the archive (<student id>.zip)")

    add = command(import_, "Make a submission to look over of a notebook with plain PyTorch; it is not run.")
    add("notebook", type=Path, help="the notebook, an .ipynb file")
    add("--out", type=Path, default=Path("submission"), help="folder to write; must not exist yet (%(default)s)")

    add = command(run, "Grade all submissions in a folder. Stopped, the same command goes on.", training)
    add("folder", type=Path, help="folder of submissions: folders, zips, tars")
    add("--rules", type=Path, metavar="YAML", help=f"the assignment's rules ({RULES})")
    add("--out", type=Path, metavar="RESULTS", help="folder of the ledger and leaderboard")
    add(
        "--round", choices=("practice", "final"), default="final", help="practice is graded in RESULTS/practice (final)"
    )
    add("--dataset", type=Path, help="grade on these images (folder, archive, CSV, IDX), not on the rules' dataset")
    add("--secret-seed", type=int, metavar="N", help="mixed into the key of a new RESULTS: N draws otherwise")
    add("--regrade", action="append", default=[], metavar="STUDENT", help="make a student's results anew; repeatable")
    add("--by", default="", help="who asks for a regrade (your user name)")
    add("--reason", default="", help="why a student's results are made anew: kept with the decision")
    add("--wait", action="store_true", help="wait for a grader that is at work in RESULTS")
    add("--roster", type=Path, metavar="CSV", help="who is in the class (roster.csv in the folder, if it is there)")
    add("--accept-times", action="store_true", help="take the times of the hand-ins as they are, however odd")
    add("--dry-run", action="store_true", help="list who, when, and what the checks say; nothing is trained or written")
    add("--max-hours", type=float, metavar="H", help="begin no training after so many hours")
    add("--wandb", choices=("offline", "online", "disabled"), default="offline", help="log reruns to W&B (offline)")
    add("--wandb-project", default="fifteen-epochs-grading", metavar="NAME", help="of these runs (%(default)s)")

    command(doctor, "Say what this machine can enforce, and what not.")

    add = command(leaderboard, "Print the leaderboard, and write its files and pages anew.", results)
    add("--rules", type=Path, metavar="YAML", help="take verdicts by these rules from now on; nothing is trained")
    add("--by", choices=get_args(Column), help="print who passed by this column, the lowest first")

    add = command(bonus, "Give points for a student's report and conclusion, or many students' from a CSV.", results)
    add("student", nargs="?", help="id on the leaderboard")
    add("--report", type=float, metavar="POINTS")
    add("--conclusion", type=float, metavar="POINTS")
    add(
        "--criterion",
        action="append",
        default=[],
        metavar="'report: NAME=POINTS'",
        help="of the rules' rubric; repeatable",
    )
    add("--comment", help="for the student")
    add("--csv", type=Path, metavar="FILE", help="columns: student, report, conclusion, comment, or those of criteria")
    add("--by", help="who gives them (your user name)")

    add = command(
        review, "Walk through reports and conclusions, and give points; whose they are, the end tells.", results
    )
    add("--again", action="store_true", help="those who have points already, too")
    add("--open", action="store_true", help="tell whose each is, its verdict and accuracy, the best first")
    add("--by", help="who gives the points (your user name)")

    add = command(similar, "List near-copies among submissions, for a person to judge.", results)
    add("--handout", type=Path, metavar="FOLDER", help="what you handed out besides this repository: nobody's own")

    add = command(
        ablate, "Tell what each family contributes to a submission, by training without it.", results, training
    )
    add("student", help="id on the leaderboard")
    add("--seeds", type=positive, metavar="N", help="trainings of each variant (as many as it was graded by)")

    add = command(export, "Write results in the form that another system takes.", results)
    forms = "csv json markdown gradescope canvas moodle canvas-feedback moodle-feedback feedback".split()
    add("--format", required=True, choices=forms)
    add("--out", type=Path, help="file, or folder for gradescope and feedback (below RESULTS)")
    add("--gradebook", type=Path, metavar="CSV", help="canvas, moodle: the system's own file, to fill in")
    add("--column", help="canvas, moodle: heading of the column to fill in, or its beginning")
    add("--language", choices=("en", "ko"), default="en", help="of the feedback and Gradescope's results (en)")

    add = command(gradescope, "Write an autograder for Gradescope: uploads are checked there, and graded here.", rules)
    add("--out", type=Path, default=Path("autograder.zip"), metavar="ZIP", help="the archive (%(default)s)")
    add("--results", type=Path, metavar="RESULTS", help="hand out the final results of this folder, too")
    add("--language", choices=("en", "ko"), default="en", help="of what the checks say, and of the final results (en)")

    add_decision_commands(command, results)
    add_grade_commands(command, results)
    add_reading_commands(command, results)
    add_board_commands(command, results)
    add_backup_commands(command, results)

    add = command(example, "Write a handful of submissions to try.")
    add("folder", type=Path, help="where to; must not exist yet")
    add("--config", type=Path, default=RULES.with_name("quickstart.yaml"), help="made from this (%(default)s)")
    return parser


def check(options: argparse.Namespace) -> int:
    if options.changed:
        try:
            options.path = folder_of_pull_request(options)
        except UserError as error:
            if options.summary:
                with output("--summary", options.summary), open(options.summary, "a", encoding="utf-8") as summary:
                    summary.write(f"## {escaped(str(error))}\n")
            raise
    _, findings, said = checked(options)
    if options.summary:  # such as the one that GitHub shows for a workflow's run
        lines = [f"## {escaped(said)}", ""]
        if findings:
            headings = [told(heading, "check", options.language) for heading in ("where", "what", "how to mend it")]
            lines += [table_row(["", *headings]), table_row(["---"] * 4)]
            lines += [
                table_row(map(escaped, (told(f.severity, "check", options.language), f.where, f.what, f.mend)))
                for f in findings
            ]
        with output("--summary", options.summary), open(options.summary, "a", encoding="utf-8") as summary:
            summary.write("\n".join(lines) + "\n")
    return int(bool(checks.rejections(findings)))


def folder_of_pull_request(options: argparse.Namespace) -> Path:
    """The student's folder that a pull request changes. Raises UserError where it is not that alone, or is gone."""
    listed = existing(options.changed).read_bytes()
    folder = own_folder(changed := changed_paths(listed), Rules.load(options.rules).student_folders)
    if not os.path.lexists(options.path / folder):
        raise UserError(f"the pull request leaves nothing in {printable(folder)}; put your files into it")
    check_new(options.path, folder, changed)
    path: Path = options.path / folder
    return path


def pack(options: argparse.Namespace) -> int:
    submission, findings, _ = checked(options)
    if checks.rejections(findings):
        return 1
    archive = options.out or Path(f"{submission.student}.zip")
    with output("--out", archive):
        packing.pack(submission, archive)
    print(told(f"{archive} is ready to hand in.", "check", options.language))
    return 0


def import_(options: argparse.Namespace) -> None:
    from grader.intake.pasted.notebook import import_notebook

    imported = import_notebook(existing(options.notebook), options.out)
    for line in imported.said:
        print(line)
    tried = f"python -m grader check {shlex.quote(str(options.out))} --try"
    if imported.table:
        beside = options.notebook.parent / imported.table
        tried += f" --dataset {shlex.quote(str(beside)) if beside.exists() else 'FOLDER'}"
    print(f"{options.out} is to be looked over; fill in student.yaml, then: {tried}")
    if options.out.resolve() != TRAINED_AS:
        print(f"To train it, move it to {TRAINED_AS}, where main.py finds it.")


def checked(options: argparse.Namespace) -> tuple[Submission, list[checks.Finding], str]:
    """A submission, what is wrong with it, and a line that says whether it is ready. All of that is printed, too."""
    if options.dataset and not options.trial:
        raise UserError("--dataset: goes with --try, which looks at images; add it, or leave --dataset out")
    path, rules = existing(options.path), Rules.load(options.rules)
    if is_packed(path):
        from grader.grading.register_submissions import read_submission  # with torch, which takes its time

        submission = read_submission(path)
    else:
        submission = take_in(path)
    language = options.language
    say = partial(told, kind="check", language=language)

    def line(begins: str, text: str) -> None:
        print(f"{say(begins):6}  {text}")

    findings = checks.check(submission, rules)
    how = f"python -m grader check {shlex.quote(str(path))} --try says it without one."
    when = [f"A training shows whether the families are in effect; {how}"]
    if not submission.unusable and not any(f.where.startswith("config.yaml") for f in checks.rejections(findings)):
        findings = [*lacking(submission.config, rules.families), *findings]
        families = foreseen(submission.config)
        open_families = [each.family for each in families if each.state == "open" and each.family in rules.families]
        if open_families:
            when = [f"A training shows {in_words(open_families)}; {how}"]
        for each in families:
            line("family", f"{each.family}: {say(each.said)}")
        if submission.modules and not any(map(OWN.match, texts_in(submission.config))):
            when.append("config.yaml names nothing of its Python files; is it the run you mean?")
    if submission.modules and path.resolve() != TRAINED_AS:
        when.append("main.py finds it only as the folder submission/ beside it.")
    if options.trial and not checks.rejections(findings):
        from grader.grading.trial import tried
        from grader.publish.public_korean import told_reason

        data = submission.config.get("data")
        own, of_rules = kind_of(data.get("source") if isinstance(data, dict) else None), kind_of(rules.dataset)
        if not options.dataset and own != of_rules:
            note = f"--try takes {of_rules}, the rules' images, not {own or 'yours'}: --dataset PATH names others"
            line("note", say(note))

        said_by_trial = tried(submission, with_dataset(rules, options.dataset), not options.unsafe_no_sandbox)
        when = ["The families are in effect."]
        for family, used in said_by_trial.strategies.items():
            effects = [f"{one.name} ({told_evidence(one.evidence, language)})" for one in used]
            line("effect", f"{family}: {'; '.join(effects) or say('none')}")
        for remark in said_by_trial.remarks:
            line("note", told(remark, "census", language))
        if said_by_trial.outcome != "scored":
            mend = (
                "mend that line"
                if said_by_trial.frames
                else MEND.get(said_by_trial.outcome, "mend that, and try again")
            )
            findings = [
                checks.Finding("training", told_reason(said_by_trial.said, "failed", language), mend),
                *findings,
            ]
    findings = [told_finding(finding, language) for finding in findings]
    for finding in findings:
        line(finding.severity, in_one_line(finding, language))
    ready = [f"{submission.student}: ready to hand in, tier {submission.tier}.", *when]
    told_last = [f"{submission.student}: would be rejected."] if checks.rejections(findings) else ready
    said = " ".join(map(say, told_last))
    print(said)
    return submission, findings, said


def kind_of(source: Any) -> str:
    """The class of a source of images without its module, as a configuration or the rules name it; empty if they do not."""
    return printable(named(source)[0].rpartition(".")[2])


def with_dataset(rules: Rules, images: Path | None) -> Rules:
    """The rules, with these images for the dataset if any are named."""
    if images is None:
        return rules
    from project.datasets.recognition import recognized  # with torch

    return rules.with_dataset(recognized(existing(images)))


def run(options: argparse.Namespace) -> None:
    from project.support.progress import importing_torch

    importing_torch()
    from grader.grading.changed_rules import check_same_rules
    from grader.grading.grade import grade
    from grader.grading.quotas import check_open
    from grader.ledger.results_folder import holds_results, open_results
    from grader.ledger.rounds import new_secret, of_round
    from grader.publish.publishing import publish
    from grader.publish.release import said_of_page
    from grader.publish.wandb_runs import mirror
    from grader.publish.withdrawal import erase_noted

    check_unpacked(existing(options.folder))
    if options.out is None and not options.dry_run:
        raise UserError("run: name the folder of results with --out RESULTS, or only look with --dry-run")
    if options.out and options.out.resolve().is_relative_to(options.folder.resolve()):
        raise UserError(
            f"--out {options.out}: lies in {options.folder}, where each folder is a submission; take another"
        )
    if holds_results(options.folder):
        raise UserError(f"{options.folder}: holds results, and no submissions; name the folder of what was handed in")
    rules = with_dataset(Rules.load(options.rules or RULES), options.dataset)
    if options.round == "practice":
        check_open(rules, datetime.now(UTC))
    out = options.out and of_round(options.out, options.round)
    if out and not options.rules and holds_results(out):
        check_same_rules(rules, RULES, out)
    if not 0 <= (options.secret_seed or 0) < 2**63:
        raise UserError(f"--secret-seed {options.secret_seed}: take 0 to {2**63 - 1}")
    if options.max_hours is not None and not options.max_hours > 0:
        raise UserError(f"--max-hours {options.max_hours:g}: take more than 0")
    more = {"regrade": tuple(options.regrade), "by": decider(options), "reason": options.reason}
    more |= {"max_hours": options.max_hours}
    more |= {"roster": options.roster and existing(options.roster), "accept_times": options.accept_times}
    if options.dry_run:
        from grader.grading.dry_run import dry_run

        options.unsafe_no_sandbox = True  # of trainings, and there is none
        secret = options.out and new_secret(options.out, options.round, options.secret_seed)
        print(dry_run(options.folder, out, rules, chosen_settings(options, rules, **more), secret))
        return
    settings = chosen_settings(options, rules, **more)
    secret = new_secret(options.out, options.round, options.secret_seed)
    with open_results(out, options.wait, new=True, secret=secret) as opened:
        erase_noted(opened)  # before anything is taken in
        grade(options.folder, opened, rules, settings)
        print("Writing the pages ...", flush=True)
        table, page = publish(opened), said_of_page(opened)
        if said := mirror(out, options.wandb, options.wandb_project):  # while nobody can be erased
            print(said)
    print(f"\n{table}\n\n{page}")


def chosen_settings(options: argparse.Namespace, rules: Rules, **more: Any) -> "Settings":
    """How to train. Raises UserError where this machine or cluster cannot do it."""
    import torch

    from grader.engines.local import LocalEngine
    from grader.engines.machine import at_once_on_cpu, thread_share
    from grader.engines.ray_cluster import RayEngine
    from grader.grading.settings import Settings

    if options.engine == "ray":
        engine: Engine = RayEngine(options.address or ADDRESS, options.jobs)
    elif options.address:
        raise UserError(f"--address {options.address}: add --engine ray")
    else:
        cores = torch.get_num_threads()
        at_once = options.jobs or at_once_on_cpu(rules.limits.memory_gb, cores)
        torch.set_num_threads(thread_share(options.device, at_once, cores))  # the leaderboard says how many each has
        engine = LocalEngine(at_once)
    return Settings(options.device, not options.unsafe_no_sandbox, engine=engine, **more).checked()


def doctor(options: argparse.Namespace) -> int:
    from grader.engines.doctor import examine, report

    found = examine()
    print(report(found))
    return 0 if all(finding.good for finding in found if finding.needed) else 1


def leaderboard(options: argparse.Namespace) -> None:
    from grader.grading.changed_rules import on_the_same_images, rule_changes
    from grader.grading.changes import next_trainings, wanted_by_all
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish, publish_by

    with open_results(options.results) as opened:
        if options.rules:
            other = on_the_same_images(options.rules, opened)
            told = rule_changes(opened.kept_rules, other)
            print(publish_by(other, opened, options.by))
            print("".join(f"\n{line}" for line in told))
        else:
            print(publish(opened, options.by))
        wanted = wanted_by_all(opened.ledger, opened.rules)
    if said := next_trainings(wanted):
        print(f"\n{said}")


def bonus(options: argparse.Namespace) -> None:
    from grader.grading.changes import in_words, state
    from grader.grading.readings import far_apart
    from grader.ledger.ledger import now
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.review.report_points import Given, give, read_criteria, read_points, said_of_groups

    one = Given(options.student, options.report, options.conclusion, options.comment, read_criteria(options.criterion))
    if bool(options.csv) == bool(options.student) or (options.student and one == Given(options.student)):
        what = "--report, --conclusion, --criterion or --comment"
        raise UserError(f"bonus: name a STUDENT with {what}, or else a --csv FILE")
    given = read_points(existing(options.csv)) if options.csv else [one]
    with open_results(options.results) as opened:
        before = state(opened.ledger, opened.rules)
        give(opened.ledger, opened.rules, given, decider(options), now())
        publish(opened)
        after = state(opened.ledger, opened.rules)
        print(in_words(before, after))
        named = {each.student for each in given}
        for entry in after.entries.values():
            if entry.student in named and entry.bonus and entry.total is None:
                print(f"note    {entry.student}: {entry.verdict}, so the total stays 0; the points wait in the ledger")
        told = said_of_groups(after.entries.values(), named)
        for line in [*told, *far_apart(opened.ledger, opened.rules)]:
            print(f"note    {line}")
        if gone := sorted(named - opened.ledger.students()):
            raise UserError(
                f"{', '.join(gone)}: withdrew meanwhile, and the points are gone, too; all others' are kept"
            )


def review(options: argparse.Namespace) -> None:
    from grader.grading.readings import far_apart
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.review.report_review import review

    with open_results(options.results) as opened:
        try:
            done = review(opened, decider(options), options.again, options.open)
        finally:
            publish(opened)
        for line in far_apart(opened.ledger, opened.rules):
            print(f"note    {line}")
    print(f"Reviewed: {done}. The leaderboard has the points.")


def similar(options: argparse.Namespace) -> None:
    from grader.ledger.results_folder import open_results
    from grader.review.similarity import list_similar

    with open_results(options.results) as opened:
        print(list_similar(opened, existing(options.handout) if options.handout else None))


def ablate(options: argparse.Namespace) -> None:
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.publish.withdrawal import erase_noted
    from grader.review.ablation import ablate

    with open_results(options.results, alone=True) as opened:
        erase_noted(opened)
        table, figure = ablate(opened, options.student, options.seeds, chosen_settings(options, opened.rules))
        publish(opened)
    print(f"\n{table}\n\n{figure} shows it; so does the submission's page under {options.results}/site/")


def export(options: argparse.Namespace) -> int:
    from grader.ledger.results_folder import open_results
    from grader.publish.export_files import write_export
    from grader.publish.publishing import publishing

    given = (options.out, options.gradebook, options.column, options.language)
    with open_results(options.results) as opened, publishing(opened) as now:
        written = write_export(now, options.format, *given)
    for line in written.told:
        print(f"note    {printable(line, 2000)}")
    print(written.place)
    if written.left_out:
        what = f"{options.gradebook or written.place}: no row for {', '.join(written.left_out)}"
        if options.format.endswith("-feedback"):
            system = options.format.partition("-")[0].title()
            whom = (
                f"nothing in it for {', '.join(written.left_out)}, whose hand-ins are not called as {system} calls them"
            )
            what = f"{written.place}: {whom}; `--format feedback` has theirs, too"
        print(f"error: {what}", file=sys.stderr)
    return int(bool(written.left_out))


def gradescope(options: argparse.Namespace) -> None:
    from contextlib import ExitStack

    from grader.grading.changed_rules import rule_changes
    from grader.ledger.results_folder import RULES_FILE, open_results
    from grader.publish.export_files import write_autograder

    with ExitStack() as stack:
        opened = stack.enter_context(open_results(options.results)) if options.results else None
        if opened and (changes := rule_changes(opened.rules, Rules.load(options.rules))):
            said = f"is graded by other rules than {options.rules}: {changes[0].split(None, 1)[1]}"
            raise UserError(f"--results {options.results}: {said}; --rules {opened.folder / RULES_FILE} takes its own")
        write_autograder(options.rules, opened, options.out, options.language)
    print(f"{options.out} is to be uploaded as the assignment's autograder.")


def example(options: argparse.Namespace) -> None:
    from grader.grading.example_submissions import write_examples

    if options.folder.exists():
        raise UserError(f"{options.folder}: is there already; name a folder that is not")
    for name in write_examples(options.folder, existing(options.config)):
        print(options.folder / name)


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def existing(path: Path) -> Path:
    """The path. Raises UserError where there is nothing."""
    if not os.path.exists(path):
        beside = [each.name for each in path.parent.glob("*")]
        hint = did_you_mean(path.name, beside, "" if path.parent == Path() else f"{path.parent}/")
        raise UserError(f"{path}: no such file or folder{hint}")
    return path
