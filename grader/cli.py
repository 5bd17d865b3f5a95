"""The command line: `python -m grader check|pack|run|doctor|leaderboard|bonus|review|similar|ablate|export|example`."""

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import Any

from project.support.errors import UserError

ADDRESS = os.environ.get("RAY_ADDRESS", "127.0.0.1:6379")
RULES = Path(__file__).resolve().parents[1] / "configs" / "assignment.yaml"


def main(args: list[str]) -> int:
    """Run a command. Exit status 0; 1 where a submission is rejected; 2 for a mistake of the caller's; 130 stopped."""
    options = make_parser().parse_args(args)
    try:
        return options.command(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. Nothing is lost: the same command goes on from here.", file=sys.stderr)
        return 130


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grader", description="Check, rerun and rank submissions.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Any, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(command=function)
        return added

    rules = {"type": Path, "default": RULES, "metavar": "YAML", "help": "the assignment's rules (%(default)s)"}
    added = command("check", check, "Say what the grader will say of a submission, before any training.")
    added.add_argument("path", type=Path, help="the submission: a folder, zip or tar")
    added.add_argument("--rules", **rules)
    added.add_argument("--summary", type=Path, metavar="FILE", help="append the same to this file, as Markdown")

    added = command("pack", pack, "Check a submission, and write the archive to hand in.")
    added.set_defaults(summary=None)
    added.add_argument("path", type=Path, help="the submission's folder")
    added.add_argument("--out", type=Path, metavar="ZIP", help="the archive (<student id>.zip)")
    added.add_argument("--rules", **rules)

    added = command("run", run, "Grade all submissions in a folder. Stopped, the same command goes on.")
    added.add_argument("folder", type=Path, help="folder of submissions: folders, zips, tars")
    added.add_argument(
        "--out", type=Path, required=True, metavar="RESULTS", help="folder of the ledger and leaderboard"
    )
    added.add_argument("--rules", **rules)
    added.add_argument(
        "--dataset", type=Path, help="grade on this folder or archive of images, not on the rules' dataset"
    )
    added.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="a GPU where there is one (auto)"
    )
    added.add_argument("--secret-seed", type=int, metavar="N", help="fix the withheld split and the trainings' seeds")
    added.add_argument(
        "--regrade", action="append", default=[], metavar="STUDENT", help="make this student's results anew; repeatable"
    )
    added.add_argument("--wait", action="store_true", help="wait for a grader that is at work in RESULTS")
    added.add_argument(
        "--unsafe-no-sandbox", action="store_true", help="run student code WITHOUT a sandbox, with all your rights"
    )
    add_engine(added)
    added.add_argument("--max-hours", type=float, metavar="H", help="begin no training after so many hours")
    added.add_argument(
        "--wandb",
        choices=("offline", "online", "disabled"),
        default="offline",
        help="log each rerun as a W&B run (offline)",
    )

    added = command("doctor", doctor, "Say what this machine can enforce, and what not.")

    results = {"type": Path, "metavar": "RESULTS", "help": "the folder that `run` wrote"}
    added = command("leaderboard", show, "Print the leaderboard, and write its files and pages anew.")
    added.add_argument("results", **results)
    added.add_argument(
        "--rules", type=Path, metavar="YAML", help="take verdicts by these rules from now on; nothing is trained"
    )

    added = command(
        "bonus", bonus, "Give points for a student's report and conclusion, or for many students' from a CSV."
    )
    added.add_argument("results", **results)
    added.add_argument("student", nargs="?", help="id on the leaderboard")
    added.add_argument("--report", type=float, metavar="POINTS")
    added.add_argument("--conclusion", type=float, metavar="POINTS")
    added.add_argument("--comment", help="for the student")
    added.add_argument("--csv", type=Path, metavar="FILE", help="columns: student, report, conclusion, comment")
    added.add_argument("--by", help="who gives them (your user name)")

    added = command("review", review, "Walk through reports and conclusions, and give points.")
    added.add_argument("results", **results)
    added.add_argument("--again", action="store_true", help="those who have points already, too")
    added.add_argument("--by", help="who gives the points (your user name)")

    added = command("similar", similar, "List near-copies among submissions, for a person to judge.")
    added.add_argument("results", **results)

    added = command("export", export, "Write results in the form that another system takes.")
    added.add_argument("results", **results)
    formats = ("csv", "json", "markdown", "gradescope", "canvas", "moodle", "feedback")
    added.add_argument("--format", choices=formats, required=True)
    added.add_argument("--out", type=Path, help="file, or folder for gradescope and feedback (below RESULTS)")
    added.add_argument(
        "--gradebook", type=Path, metavar="CSV", help="canvas, moodle: the system's own file, to fill in"
    )
    added.add_argument("--column", help="canvas, moodle: heading of the column to fill in, or its beginning")
    added.add_argument("--language", choices=("en", "ko"), default="en", help="of the feedback (en)")

    added = command(
        "ablate", ablate, "Tell what each family contributes to a graded submission, by training without it."
    )
    added.add_argument("results", **results)
    added.add_argument("student", help="id on the leaderboard")
    added.add_argument(
        "--seeds", type=positive, metavar="N", help="trainings of each variant (as many as it was graded by)"
    )
    added.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    added.add_argument("--unsafe-no-sandbox", action="store_true", help="run student code WITHOUT a sandbox")
    add_engine(added)

    added = command("example", example, "Write a handful of submissions to try.")
    added.add_argument("folder", type=Path, help="where to; must not exist yet")
    added.add_argument(
        "--config", type=Path, default=RULES.with_name("quickstart.yaml"), help="made from this (%(default)s)"
    )
    return parser


def add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="this machine, or a Ray cluster that it is in (local)",
    )
    parser.add_argument("--address", metavar="HOST:PORT", help=f"ray: the cluster's head ({ADDRESS})")
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="trainings at once on a machine's CPU (as many as it has cores, and memory for)",
    )


def check(options: argparse.Namespace) -> int:
    from grader.intake.checks import check, rejections

    submission, rules = open_submission(options)
    findings = check(submission, rules)
    for finding in findings:
        print(f"{finding.severity:6}  {finding}")
    rejected = bool(rejections(findings))
    ready = f"ready to hand in, tier {submission.tier}. The families are checked when it is rerun."
    said = f"{submission.student}: {'would be rejected.' if rejected else ready}"
    print(said)
    if options.summary:
        append_summary(options.summary, said, findings)
    return int(rejected)


def append_summary(file: Path, said: str, findings: list[Any]) -> None:
    """Add the findings to a Markdown file, such as the one that GitHub shows for a workflow's run."""
    from grader.safe_text import escaped, table_row

    lines = [f"## {escaped(said)}", ""]
    if findings:
        lines += [table_row(["", "where", "what", "how to mend it"]), table_row(["---"] * 4)]
        lines += [table_row(map(escaped, (f.severity, f.where, f.what, f.mend))) for f in findings]
    with open(file, "a", encoding="utf-8") as summary:
        summary.write("\n".join(lines) + "\n")


def pack(options: argparse.Namespace) -> int:
    from grader.intake.packing import pack

    if status := check(options):
        return status
    submission, _ = open_submission(options)
    archive = options.out or Path(f"{submission.student}.zip")
    pack(submission, archive)
    print(f"{archive} is ready to hand in.")
    return 0


def run(options: argparse.Namespace) -> int:
    from grader.grading.grade import grade
    from grader.grading.settings import Settings
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.publish.wandb_runs import mirror
    from grader.rules import Rules

    existing(options.folder)
    rules = Rules.load(options.rules)
    if options.dataset:
        archive = {"path": str(existing(options.dataset))}
        described = {"class_path": "project.datasets.image_archive.ImageArchive", "init_args": archive}
        rules = rules.but(dataset=described)
    if options.secret_seed is not None and options.secret_seed < 0:
        raise UserError(f"--secret-seed {options.secret_seed}: take 0 or more")
    if options.max_hours is not None and not options.max_hours > 0:
        raise UserError(f"--max-hours {options.max_hours:g}: take more than 0")
    settings = Settings(
        device=options.device,
        sandboxed=not options.unsafe_no_sandbox,
        regrade=tuple(options.regrade),
        max_hours=options.max_hours,
        engine=chosen_engine(options, rules),
    ).checked()
    with open_results(options.out, options.wait, new=True, secret=options.secret_seed) as opened:
        grade(options.folder, opened, rules, settings)
        table = publish(opened)
    if said := mirror(options.out, options.wandb):
        print(said)
    print("\n" + table)
    print(f"\n{options.out / 'site' / 'index.html'} is the page to publish.")
    return 0


def chosen_engine(options: argparse.Namespace, rules: Any) -> Any:
    if options.engine == "ray":
        from grader.engines.ray_cluster import RayEngine

        return RayEngine(options.address or ADDRESS, options.jobs)
    if options.address:
        raise UserError(f"--address {options.address}: add --engine ray")

    import torch

    from grader.engines.local import LocalEngine
    from grader.engines.machine import at_once_on_cpu, thread_share

    cores = torch.get_num_threads()
    at_once = options.jobs or at_once_on_cpu(rules.limits.memory_gb, cores)
    torch.set_num_threads(thread_share(options.device, at_once, cores))  # the leaderboard says how many each has
    return LocalEngine(at_once)


def doctor(options: argparse.Namespace) -> int:
    from grader.engines.doctor import examine, report

    found = examine()
    print(report(found))
    return 0 if all(finding.good for finding in found if finding.needed) else 1


def show(options: argparse.Namespace) -> int:
    from grader.grading.ranking import judged
    from grader.grading.verdicts import pending_trainings
    from grader.ledger.results_folder import open_results, store_rules
    from grader.publish.publishing import publish
    from grader.rules import Rules

    with open_results(options.results) as opened:
        if options.rules:
            store_rules(opened.folder, Rules.load(options.rules))
        print(publish(opened))
        rules = opened.rules
        wanted = {graded.student: len(pending_trainings(graded, rules)) for graded, _ in judged(opened.ledger, rules)}
    if count := sum(wanted.values()):
        print(f"\nThe next run makes {count} trainings: {', '.join(student for student, n in wanted.items() if n)}")
    return 0


def bonus(options: argparse.Namespace) -> int:
    from grader.ledger.ledger import now
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.review.report_points import Given, give, read_points

    one = (options.report, options.conclusion, options.comment)
    if bool(options.csv) == bool(options.student) or (options.student and one == (None, None, None)):
        raise UserError("bonus: name a STUDENT with --report, --conclusion or --comment, or else a --csv FILE")
    given = read_points(existing(options.csv)) if options.csv else [Given(options.student, *one)]
    with open_results(options.results) as opened:
        give(opened.ledger, opened.rules, given, options.by or getpass.getuser(), now())
        print(publish(opened))
    return 0


def review(options: argparse.Namespace) -> int:
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.review.report_review import review

    with open_results(options.results) as opened:
        try:
            done = review(opened, options.by or getpass.getuser(), options.again)
        finally:
            publish(opened)
    print(f"Reviewed: {done}. The leaderboard has the points.")
    return 0


def similar(options: argparse.Namespace) -> int:
    from grader.ledger.results_folder import open_results
    from grader.review.similarity import list_similar

    with open_results(options.results) as opened:
        print(list_similar(opened))
    return 0


def export(options: argparse.Namespace) -> int:
    from grader.ledger.results_folder import open_results
    from grader.publish.export_files import write_export

    given = (options.out, options.gradebook, options.column, options.language)
    with open_results(options.results) as opened:
        print(write_export(opened, options.format, *given))
    return 0


def ablate(options: argparse.Namespace) -> int:
    from grader.grading.settings import Settings
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.review.ablation import ablate

    with open_results(options.results) as opened:
        engine = chosen_engine(options, opened.rules)
        settings = Settings(options.device, not options.unsafe_no_sandbox, engine=engine).checked()
        table, figure = ablate(opened, options.student, options.seeds, settings)
        publish(opened)
    print(f"\n{table}\n\n{figure} shows it; so does the submission's page under {options.results}/site/")
    return 0


def example(options: argparse.Namespace) -> int:
    from grader.grading.examples import write_examples

    if options.folder.exists():
        raise UserError(f"{options.folder}: is there already; name a folder that is not")
    for name in write_examples(options.folder, existing(options.config)):
        print(options.folder / name)
    return 0


def open_submission(options: argparse.Namespace) -> Any:
    from grader.intake.git_repositories import is_packed
    from grader.intake.submission import take_in
    from grader.rules import Rules

    path, rules = existing(options.path), Rules.load(options.rules)
    if not is_packed(path):
        return take_in(path), rules
    from grader.grading.register_submissions import read_submission  # with torch, which takes its time

    return read_submission(path), rules


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def existing(path: Path) -> Path:
    """The path. Raises UserError where there is nothing."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    return path
