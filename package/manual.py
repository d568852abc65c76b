"""Manual pages, one for each command, in troff's man macros."""

from commands import Command, Option


def _plain(text: str) -> str:
    """As troff prints it: a hyphen stays one, and no line begins with a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def _bold(text: str) -> str:
    return f"\\fB{_plain(text)}\\fR"


def _entry(option: Option) -> list[str]:
    left = ", ".join(map(_bold, option.names))
    if option.value:
        left += f" \\fI{_plain(option.value)}\\fR"
    if option.required:
        left += " (required)"
    return [".TP", left, _plain(option.text)]


def _see(command: Command) -> list[str]:
    above = [] if len(command.path) == 1 else ["-".join(command.path[:-1])]
    return above + [f"{command.name}-{name}" for name, _ in command.commands]


def page(command: Command, version: str, date: str) -> str:
    lines = [f'.TH "{command.name.upper()}" 1 "{date}" "isthmus {version}" "Isthmus"',
             ".SH NAME", f"{_plain(command.name)} \\- {_plain(command.text.rstrip('.'))}",
             ".SH SYNOPSIS", _bold(command.usage)]
    if command.positionals:
        lines.append(".SH ARGUMENTS")
        for each in command.positionals:
            lines += [".TP", f"\\fI{_plain(each.names[0])}\\fR", _plain(each.text) or "its name"]
    lines.append(".SH OPTIONS")
    for option in command.options:
        lines += _entry(option)
    if command.commands:
        lines.append(".SH COMMANDS")
        for name, text in command.commands:
            lines += [".TP", _bold(name), _plain(text)]
    if command.example:
        lines += [".SH EXAMPLE", ".nf", _plain(command.example), ".fi"]
    if command.exits:
        lines += [".SH EXIT STATUS", _plain(command.exits)]
    lines += [".SH FILES", "\\fI/etc/isthmus/*.yaml\\fR, \\fI/usr/share/doc/isthmus/\\fR"]
    if see := _see(command):
        lines += [".SH SEE ALSO", ", ".join(f"{_bold(name)}(1)" for name in see)]
    return "\n".join(lines) + "\n"
