# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints the folder under a prefix in which this interpreter looks for modules, if it looks in any."""

import sys

print(next((path for path in sys.path if path.startswith(sys.argv[1] + '/lib') and path.endswith('-packages')), ''))
