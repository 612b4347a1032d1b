# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways in which a command of ./svm can end badly, and their exit statuses."""


class SvmError(Exception):
    """One line for the user: what happened and what to do about it."""

    status = 1


class WrongResult(SvmError):
    """The run took place and its result is not the expected one."""

    status = 1


class BadUsage(SvmError):
    """The command line asks for something that does not exist."""

    status = 2


class SetupFailed(SvmError):
    """Something that a run needs could not be fetched, installed or built."""

    status = 3


class TimedOut(SvmError):
    """The run did not end within its time limit."""

    status = 4
