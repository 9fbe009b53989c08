"""Command `nightlite completion`: the script that makes a shell ask for the words that may follow."""

from typing import Annotated, Literal

import typer

from nightlite.deployment.command_app import command_app

app = command_app()
# Where no word of ours fits, files are offered.
_SCRIPTS = {
    "bash": """\
_nightlite() {
  local IFS=$'\\n'
  COMPREPLY=($("${COMP_WORDS[0]/#\\~/$HOME}" --words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _nightlite nightlite ./nightlite
""",
    "zsh": """\
_nightlite() {
  local -a found
  found=(${(f)"$(${~words[1]} --words "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( $#found )); then compadd -a found; else _files; fi
}
compdef _nightlite nightlite ./nightlite
""",
    "fish": """\
function __nightlite
  set -l words (commandline -opc) (commandline -ct)
  set -l found ($words[1] --words $words[2..-1] 2>/dev/null | string match -v '')
  if set -q found[1]; printf '%s\\n' $found; else; __fish_complete_path (commandline -ct); end
end
complete -c nightlite -f -a '(__nightlite)'
""",
}


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@app.command(epilog='Examples: eval "$(nightlite completion bash)"; nightlite completion fish | source')
def completion(shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="your shell")]) -> None:
    """Print what a shell needs to complete commands, options and models.

    Evaluate it where the shell starts, such as in ~/.bashrc, with the path of nightlite if it is not on PATH.
    In zsh, after compinit.
    """
    print(_SCRIPTS[shell], end="")
