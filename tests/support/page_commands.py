"""Commands that a page of docs/ shows, to be run: indented blocks, `$ ` before what anybody may run,
`# ` before what root runs; lines behind a command are its output, or the rest of a here-document.
"""
import re


class Command:
    def __init__(self, prompt, line, begin):
        self.prompt, self.text, self.begin = prompt, line, begin
        self.output = []
        self.end = begin + 1

    def takes_more(self):
        word = re.search(r"<<(\w+)", self.text)
        return word is not None and not self.text.endswith("\n" + word.group(1))

    def add(self, line):
        self.end += 1
        if self.takes_more():
            self.text += "\n" + line
        else:
            self.output.append(line)


def commands(text):
    """All commands of a page, in order. begin, end: their lines."""
    found, current = [], None
    for number, line in enumerate(text.split("\n")):
        if line.startswith(("    $ ", "    # ")):
            current = Command(line[4], line[6:], number)
            found.append(current)
        elif current and (line.startswith("    ") or (not line.strip() and current.takes_more())):
            current.add(line[4:])
        elif line.strip():
            current = None
        elif current:  # an empty line of an output, unless the block ends
            current.add("")
    for command in found:
        while command.output and not command.output[-1]:
            command.output.pop()
            command.end -= 1
    return found


def other_blocks(text):
    """Indented lines that are no commands and no output."""
    shown = {n for command in commands(text) for n in range(command.begin, command.end)}
    return [line[4:] for n, line in enumerate(text.split("\n")) if line.startswith("    ") and n not in shown]


def with_outputs(text, printed):
    """The page with other outputs: (command, lines) in the commands' order."""
    lines, moved = text.split("\n"), 0
    for command, output in printed:
        begin, end = command.end - len(command.output) + moved, command.end + moved
        lines[begin:end] = [("    " + line).rstrip() for line in output]
        moved += len(output) - len(command.output)
    return "\n".join(lines)
