#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program that has to end well, and to have said a line.

Usage: says.py LINE COMMAND…
"""

import subprocess
import sys

line, *command = sys.argv[1:]
result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
sys.stdout.write(result.stdout)
sys.exit(result.returncode or line not in result.stdout.splitlines())
