"""Completion of the command line in bash, zsh and fish: `python main.py completion SHELL` prints the script for it.

Nothing that takes time is imported here.
"""

from collections.abc import Sequence

from project.support.errors import UserError
from project.training.known_settings import COMMANDS, FIND_LR, OTHER_COMMANDS, class_settings, known_settings, names

SCRIPTS = {
    "bash": """\
# For bash: eval "$(python main.py completion)", in ~/.bashrc for good. Where nothing is known, files are completed.
_fifteen_epochs() {
  COMPREPLY=()
  [[ ${COMP_WORDS[1]} == *main.py ]] || return 0
  (( COMP_CWORD > 1 )) || return 0
  local IFS=$'\\n'
  COMPREPLY=($("${COMP_WORDS[0]}" "${COMP_WORDS[1]}" completion -- "${COMP_WORDS[@]:2:COMP_CWORD-1}" 2>/dev/null))
}
complete -o default -F _fifteen_epochs python python3 .venv/bin/python
""",
    "zsh": """\
# For zsh: eval "$(python main.py completion zsh)", in ~/.zshrc for good. Where nothing is known, files are completed.
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_fifteen_epochs() {
  local -a found
  if [[ ${words[2]} == *main.py ]] && (( CURRENT > 2 )); then
    found=(${(f)"$("${words[1]}" "${words[2]}" completion -- "${(@)words[3,CURRENT]}" 2>/dev/null)"})
  fi
  (( $#found )) || { _files; return }
  compadd -S '' -- ${(M)found:#*.}
  compadd -- ${found:#*.}
}
compdef _fifteen_epochs python python3 .venv/bin/python
""",
    "fish": """\
# For fish: python main.py completion fish | source, in ~/.config/fish/config.fish for good. Files are completed, too.
function __fifteen_epochs
  set -l words (commandline -opc)
  $words[1] $words[2] completion -- $words[3..-1] (commandline -ct) 2>/dev/null
end
for python in python python3 .venv/bin/python
  complete -c $python -n 'string match -q -- "*main.py" (commandline -opc)[2]' -a '(__fifteen_epochs)'
end
""",
}

OPTIONS = ("--config", "--ckpt_path", "--print_config", "--help")
OF_FIT = (FIND_LR, "--seeds")


def main(args: Sequence[str]) -> int:
    """Print a shell's script (bash's by default), or, after `--`, what the last of these words may become, a line each."""
    if args[:1] != ["--"]:
        shell = args[0] if args else "bash"
        if shell not in SCRIPTS or len(args) > 1:
            raise UserError(f"completion {' '.join(args)}: expected bash, zsh or fish")
        print(SCRIPTS[shell], end="")
    elif found := completions(args[1:]):
        print("\n".join(found))
    return 0


def completions(words: Sequence[str]) -> list[str]:
    """What the last word of a command line (without the program's name) may become; nothing where a file belongs.

    A setting is completed section by section: `--m` to `--model.`, and then to each of its settings.
    """
    *before, word = words or [""]
    if not before:
        return starting_with(word, (*COMMANDS, *OTHER_COMMANDS))
    if before[0] not in (*COMMANDS, "look", "study"):
        return []
    known = known_settings()
    previous = before[-1].removeprefix("--")
    if before[-1].startswith("--") and not word.startswith("-"):
        if previous.endswith(".help"):
            return starting_with(word, names(known.get(previous.removesuffix(".help"), {})))
        if previous == "help":
            return starting_with(word, ["all"])
        return starting_with(word, names(known.get(previous.removesuffix("+"), {})))
    every = [f"--{name}" for name in known]
    for name, setting in known.items():
        if "class" in setting and word.startswith(f"--{name}."):
            given = before[before.index(f"--{name}") + 1 :][:1] if f"--{name}" in before else [None]
            every += [f"--{name}.{key}" for key in [*class_settings(setting, given[0] if given else None), "help"]]
    if "." not in word:  # not all of them at once
        every = list(dict.fromkeys(name.partition(".")[0] + "." * ("." in name) for name in every))
    return starting_with(word, [*OPTIONS, *(OF_FIT if before[0] == "fit" else ()), *every])


def starting_with(word: str, known: Sequence[str]) -> list[str]:
    return [each for each in known if each.startswith(word)]
