# SPDX-License-Identifier: LGPL-2.1-or-later
import typing

def __getattr__(name: str) -> typing.Any: ...
