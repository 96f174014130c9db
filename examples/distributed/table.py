# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is shown of the nodes: a table that is drawn again on a terminal, and lines of what has changed elsewhere."""

import shutil
import sys

HEAD = f'{"node":<12} {"pid":>7} {"state":<9} {"data sent":>10} {"received":>9} {"lost":>6}  {"control sent":>12} {"received":>9}  says'


def row(node):
    figures = node.figures.get('transport', {})
    counts = [figures.get(key, 0) for key in
              ('data-sent', 'data-received', 'data-lost', 'control-sent', 'control-received')]
    return '{:<12} {:>7} {:<9} {:>10} {:>9} {:>6}  {:>12} {:>9}  {}'.format(
        node.name, node.pid or '', node.state, *counts, node.says)


class Table:
    def __init__(self, nodes):
        self.nodes = nodes
        self.is_terminal = sys.stdout.isatty()
        self.n_drawn = 0

    def draw(self):
        if not self.is_terminal:
            return
        width = shutil.get_terminal_size().columns - 1
        lines = [HEAD, *map(row, self.nodes)]
        if self.n_drawn:
            print(f'\x1b[{self.n_drawn}A', end='')
        for line in lines:
            print(f'\x1b[K{line[:width]}')
        self.n_drawn = len(lines)
        sys.stdout.flush()

    def tell(self, text):
        """On a terminal, above the table."""
        if self.is_terminal and self.n_drawn:
            print(f'\x1b[{self.n_drawn}A\x1b[J', end='')
            self.n_drawn = 0
        print(text, flush=True)
        self.draw()

    def close(self):
        """The last state of all."""
        if self.is_terminal:
            self.draw()
        else:
            print('\n'.join([HEAD, *(row(node).rstrip() for node in self.nodes)]), flush=True)
