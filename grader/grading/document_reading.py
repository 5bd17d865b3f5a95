"""What a PDF or DOCX says, read in a sandbox: for its length and for near-copies. A person reads the document itself."""

import json
from collections.abc import Mapping
from pathlib import Path

from grader.intake.reports import suffix
from grader.ledger.submission_store import keep_document_texts
from grader.rerun.mounted_code import PROGRAMS, REPOSITORY
from grader.sandbox import bubblewrap, supervision
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program
from grader.sandbox.scratch import scratch_folder
from grader.sandbox.untrusted_files import Unreadable, read_output

LIMITS = ResourceLimits(seconds=20, memory_bytes=10**9, output_bytes=10**6, output_files=1, processes=16)
SCRIPT = REPOSITORY / PROGRAMS / "read_document.py"


def read_documents(documents: Mapping[str, bytes], digest: str, results: Path) -> dict[str, str]:
    """The texts of a submission's PDFs and DOCX, by file name; kept beside the submission of this digest.

    A document that cannot be read, or not in time, has no text. Where no sandbox can run, none has.
    """
    if bubblewrap.unavailable():
        return {}
    read = {file: read_document(content, suffix(file)) for file, content in documents.items()}
    texts = {file: text for file, text in read.items() if text is not None}
    if texts.keys() == read.keys():
        keep_document_texts(results, digest, texts)
    return texts


def read_document(content: bytes, kind: str) -> str | None:
    """The text of a document; empty where it cannot be read within LIMITS, None where the sandbox failed.

    Args:
        kind: .pdf or .docx.
    """
    with scratch_folder() as scratch:
        place, job, out = scratch / f"document{kind}", scratch / "job.json", scratch / "out"
        out.mkdir()
        place.write_bytes(content)
        inside = f"/document{kind}"
        job.write_text(json.dumps({"document": inside, "out": "/out/text"}), encoding="utf-8")
        inputs = {"/app/read_document.py": SCRIPT, "/job.json": job, inside: place}
        program = Program("/app/read_document.py", "/job.json", inputs, out)
        if supervision.run(program, LIMITS, scratch / "read.log").ending == "sandbox":
            return None
        try:
            return read_output(out / "text", LIMITS.output_bytes).decode("utf-8", "replace")
        except Unreadable:
            return ""
