"""Completion of command lines, for bash and zsh: all words are known when the package is made."""

from commands import Command, Option

FILES = ("FILE", "DIR", "FOLDER")


def _takes_file(option: Option) -> bool:
    return option.value in FILES


def _takes_value(option: Option) -> bool:
    return bool(option.value)


def _all(command: Command) -> list[str]:
    return [name for name, _ in command.commands] + [n for o in command.options for n in o.names]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


BASH = """\
# Completion of isthmus for bash; made from its --help.
_isthmus() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local path=isthmus word i words=
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    case "$path $word" in
@PATHS@
    esac
  done
  case "$path $previous" in
@VALUES@
  esac
  case $path in
@WORDS@
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $current == -* || $path != isthmus* || ${#COMPREPLY[@]} -gt 0 ]] ||
    COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _isthmus isthmus
"""


def _patterns(commands: list[Command], wanted) -> list[str]:
    return [f"'{' '.join(c.path)} {name}'" for c in commands for option in c.options
            if wanted(option) for name in option.names]


def bash(commands: list[Command]) -> str:
    below = [f"'{' '.join(c.path)}'" for c in commands if len(c.path) > 1]
    paths = f"      {' | '.join(below)}) path=\"$path $word\" ;;"
    values = []
    files = _patterns(commands, _takes_file)
    values.append(f"    {' | '.join(files)})\n"
                  "      COMPREPLY=($(compgen -f -- \"$current\")); return ;;")
    by_words: dict[str, list[str]] = {}
    for command in commands:
        for option in command.options:
            if option.words:
                by_words.setdefault(" ".join(option.words), []).extend(
                    f"'{' '.join(command.path)} {name}'" for name in option.names)
    for words, patterns in by_words.items():
        values.append(f"    {' | '.join(patterns)})\n"
                      f"      COMPREPLY=($(compgen -W '{words}' -- \"$current\")); return ;;")
    others = _patterns(commands, lambda o: _takes_value(o) and not _takes_file(o) and not o.words)
    values.append(f"    {' | '.join(others)}) return ;;")
    words = [f"    '{' '.join(c.path)}') words='{' '.join(_all(c))}' ;;" for c in commands]
    return (BASH.replace("@PATHS@", paths).replace("@VALUES@", "\n".join(values))
            .replace("@WORDS@", "\n".join(words)))


ZSH = """\
#compdef isthmus
# Completion of isthmus for zsh; made from its --help.
_isthmus() {
  local path_here=isthmus word
  local -a found
  for word in ${words[2,CURRENT-1]}; do
    case "$path_here $word" in
@PATHS@
    esac
  done
  case "$path_here ${words[CURRENT-1]}" in
@VALUES@
  esac
  case $path_here in
@WORDS@
  esac
  _describe -o isthmus found || _files
}
_isthmus "$@"
"""


def _described(name: str, text: str) -> str:
    return _quoted(name.replace(":", "\\:") + ":" + text)


def zsh(commands: list[Command]) -> str:
    below = [f"'{' '.join(c.path)}'" for c in commands if len(c.path) > 1]
    values = [f"    {' | '.join(_patterns(commands, _takes_file))}) _files; return ;;"]
    for command in commands:
        for option in command.options:
            if option.words:
                patterns = " | ".join(f"'{' '.join(command.path)} {n}'" for n in option.names)
                values.append(f"    {patterns}) compadd {' '.join(option.words)}; return ;;")
    others = _patterns(commands, lambda o: _takes_value(o) and not _takes_file(o) and not o.words)
    values.append(f"    {' | '.join(others)}) _message value; return ;;")
    words = []
    for command in commands:
        entries = [_described(*each) for each in command.commands]
        entries += [_described(name, o.text) for o in command.options for name in o.names]
        words.append(f"    '{' '.join(command.path)}') found=({' '.join(entries)}) ;;")
    return (ZSH.replace("@PATHS@", f"      {' | '.join(below)}) path_here=\"$path_here $word\" ;;")
            .replace("@VALUES@", "\n".join(values)).replace("@WORDS@", "\n".join(words)))
