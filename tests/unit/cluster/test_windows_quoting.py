"""What is quoted for Windows arrives as it was, by the rules of whoever takes the line apart."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_remote_nni.cluster.windows.quoting import for_cmd, for_powershell
from ray_remote_nni.guard.windows.powershell import powershell_text

#: In a hurry: quotes, backslashes and blanks next to each other, and all that a shell might look at.
WORDS = st.lists(st.text(alphabet=r"""ab"\ %&|<>^()!;,=*?'`$@{}[]~#é‘’""", max_size=12), max_size=4)
PROGRAM = r"C:\Program Files (x86)\50%\a&b\python.exe"


def cmd_hands_over(line: str, variables: dict[str, str]) -> str:
    """What cmd makes of a line typed after /c, as far as a single command goes.

    First variables are filled in, between quotes too; a name that nobody has is left alone. Then, outside of quotes, a
    caret takes the meaning of what follows it, and these characters have one that ends the command.
    Source: Microsoft's documentation of cmd, and "How does the Windows Command Interpreter parse scripts?".
    """
    line = re.sub(r"%([^%]+)%", lambda found: variables.get(found[1].upper(), found[0]), line)
    made, quoted, position = "", False, 0
    while position < len(line):
        sign = line[position]
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign == "^":
            position += 1
            sign = line[position]
        elif not quoted and sign in "&|<>()":
            raise AssertionError(f"{sign} of {line!r} is the shell's")
        made += sign
        position += 1
    return made


def argv_of(line: str) -> list[str]:
    """Take a command line apart as Microsoft's C runtime does.

    The program's name ends with the second quote, if it begins with one. After that 2n backslashes and a quote are n
    and a quote that opens or closes, 2n + 1 are n and a quote that is data; others are data.
    Source: "Parsing C++ command-line arguments", Microsoft.
    """
    name, rest = "", line
    quoted = False
    while rest and (quoted or rest[0] not in " \t"):
        quoted ^= rest[0] == '"'
        name += rest[0].replace('"', "")
        rest = rest[1:]
    found = [name]
    while rest := rest.lstrip(" \t"):
        word, quoted = "", False
        while rest and (quoted or rest[0] not in " \t"):
            slashes = len(rest) - len(rest.lstrip("\\"))
            rest = rest[slashes:]
            if rest[:1] == '"':
                word += "\\" * (slashes // 2)
                if slashes % 2:
                    word += '"'
                else:
                    quoted = not quoted
                rest = rest[1:]
            else:
                word += "\\" * slashes
                if rest and (quoted or rest[0] not in " \t"):
                    word, rest = word + rest[0], rest[1:]
        found.append(word)
    return found


def powershell_reads(line: str) -> list[str]:
    """The words of a command of quoted texts, as PowerShell reads them."""
    texts = re.findall("['‘’‚‛]((?:[^'‘’‚‛]|['‘’‚‛]{2})*)['‘’‚‛]", line)
    return [re.sub("(['‘’‚‛])['‘’‚‛]", r"\1", text) for text in texts]


def powershell_hands_over(argv: list[str]) -> str:
    """The command line that Windows PowerShell makes: what has blanks is put between quotes, as it is."""
    return " ".join(f'"{word}"' if re.search(r"\s", word) else word for word in argv)


@given(words=WORDS)
def test_cmd_hands_every_word_over_as_it_was(words: list[str]) -> None:
    line = for_cmd([PROGRAM, *words])
    assert argv_of(cmd_hands_over(line, {"PATH": "X", "A": "Y"})) == [PROGRAM, *words]


@pytest.mark.parametrize("word", ["%PATH%", "%path%%A%", '"%PATH%"', "x%PATH%", "& echo hi", '" & echo hi & "', "%"])
def test_no_variable_of_cmd_is_filled_in_and_no_command_added(word: str) -> None:
    assert argv_of(cmd_hands_over(for_cmd([PROGRAM, word]), {"PATH": "X", "A": "Y"})) == [PROGRAM, word]


def test_a_line_of_cmd_is_as_it_was_tried_with_a_real_cmd() -> None:
    # Handed over whole by cmd.exe of wine 8.0 to python.exe, started as Win32-OpenSSH does.
    words = ["a b", "a&b", "x|y", "(p)", "^c", 'say "hi"', "end\\", "a b\\", "", "<>", "%", 'a" & echo hi & "']
    line = (
        r'"Z:\Program Files\py\python.exe" "a b" "a&b" "x|y" "(p)" "^c" ^"say^ \^"hi\^"^" "end\\" "a b\\" "" "<>" ^%'
        r" ^"
        r'"a\^"^ ^&^ echo^ hi^ ^&^ \^"^"'
    )
    assert for_cmd([r"Z:\Program Files\py\python.exe", *words]) == line


@pytest.mark.parametrize("word", ["a\nb", "a\rb", "a\0b"])
def test_what_no_line_can_hold_is_refused(word: str) -> None:
    for quoting in (for_cmd, for_powershell):
        with pytest.raises(ValueError, match="does not fit into a line"):
            quoting(["python", word])


@given(text=st.text(alphabet="ab'‘’‚‛\"$`(){};& é", max_size=20))
def test_powershell_reads_a_text_as_it_was(text: str) -> None:
    assert powershell_reads(powershell_text(text)) == [text]


@given(words=WORDS)
def test_powershell_hands_a_word_over_as_it_was_or_it_is_refused(words: list[str]) -> None:
    try:
        line = for_powershell([PROGRAM, *words])
    except ValueError:
        assert any(not word or '"' in word or word.endswith("\\") for word in words)
        return
    assert line.startswith("& ")
    read = powershell_reads(line)
    assert argv_of(f'"{read[0]}" {powershell_hands_over(read[1:])}') == [PROGRAM, *words]
