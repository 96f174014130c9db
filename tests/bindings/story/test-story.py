#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether each language tells the story of story.txt: all of its cases, in their order, word by word.

Usage: test-story.py STORY -- COMMAND… [-- COMMAND…]…
"""

import difflib
import itertools
import pathlib
import re
import subprocess
import sys

# Seconds. The programs have a watchdog of their own.
PATIENCE = 120


def read_told(output):
    """The path of each case that is ok, and below it what it told."""
    story, told = [], []
    for line in output.splitlines():
        if line.startswith('# told: '):
            told.append('  ' + line.removeprefix('# told: ').removesuffix(' | '))
        elif match := re.match(r'(not )?ok \d+ (\S+)', line):
            story += [match[2], *told] if not match[1] else []
            told = []
    return story


def is_told(command, expected):
    result = subprocess.run(command, timeout=PATIENCE, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    told = read_told(result.stdout)
    sys.stderr.writelines(line + '\n' for line in difflib.unified_diff(expected, told, lineterm='', n=1))
    return result.returncode == 0 and told == expected, result.stdout.startswith('1..0 # SKIP')


def main():
    story = pathlib.Path(sys.argv[1])
    commands = [list(words) for is_end, words in itertools.groupby(sys.argv[2:], '--'.__eq__) if not is_end]
    expected = story.read_text(encoding='utf-8').splitlines()
    n_failed = 0

    print(f'1..{len(commands)}')
    for n, command in enumerate(commands, 1):
        name = pathlib.Path(command[-1]).name
        told, skipped = is_told(command, expected)
        n_failed += not told and not skipped
        print(f'{"ok" if told or skipped else "not ok"} {n} {name}{" # SKIP" if skipped else ""}', flush=True)
    sys.exit(n_failed)


main()
