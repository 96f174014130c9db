#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program that has to end well, to have said a line, and to have been warned of nothing but full channels.

Usage: says.py LINE COMMAND…
"""

import re
import subprocess
import sys

line, *command = sys.argv[1:]
result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
sys.stdout.write(result.stdout)
sys.stderr.write(result.stderr)
warned = re.search(r'-(WARNING|CRITICAL) \*\*(?!.*Data channel of)', result.stderr) is not None
sys.exit(result.returncode or line not in result.stdout.splitlines() or warned)
