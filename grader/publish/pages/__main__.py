"""A helping process: `python -m grader.publish.pages SITE RESULTS NUMBER SHARES`. It prints its pages' curves as JSON."""

import json
import sys
from pathlib import Path

from grader.publish.pages.parallel import help_out

if __name__ == "__main__":
    site, results, number, shares = sys.argv[1:]
    json.dump(help_out(Path(site), Path(results), int(number), int(shares)), sys.stdout)
