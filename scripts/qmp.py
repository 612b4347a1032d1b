# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's machine protocol, as far as a command needs it."""

import json
import socket

from errors import SvmError, TimedOut


class Refused(SvmError):
    """The emulator answered a command with an error."""


class Monitor:
    """The monitor at the other end of a socket."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._file = None
        self._shutdown: str | None = None

    def execute(self, command: str, seconds: float = 120, **arguments) -> object:
        """The answer to a command; `-` in an argument's name is written `_`.

        Raises Refused, TimedOut when there is no answer within that time, and
        EOFError or OSError when the emulator has ended.
        """
        self._connection.settimeout(seconds)
        try:
            if self._file is None:
                self._file = self._connection.makefile("rw")
                self._file.readline()
                self._ask("qmp_capabilities", {})
            named = {key.replace("_", "-"): arguments[key] for key in arguments}
            return self._ask(command, named)
        except TimeoutError as error:
            raise TimedOut(
                f"the emulator did not answer '{command}' within {seconds:g} s"
            ) from error

    def human(self, line: str, seconds: float = 120) -> str:
        """What the monitor for humans answers, '' where all is right."""
        answer = self.execute("human-monitor-command", seconds, command_line=line)
        return str(answer).replace("\r", "")

    def shutdown_reason(self) -> str | None:
        """Why the machine, which has ended, did: 'guest-shutdown', 'guest-reset', ...

        Known only if a command was executed before.
        """
        while self._file and (line := self._file.readline()):
            self._take_event(json.loads(line))
        return self._shutdown

    def _take_event(self, message: dict) -> None:
        if message.get("event") == "SHUTDOWN":
            self._shutdown = message["data"]["reason"]

    def _ask(self, command: str, arguments: dict) -> object:
        json.dump({"execute": command, "arguments": arguments}, self._file)
        self._file.flush()
        while line := self._file.readline():
            answer = json.loads(line)
            self._take_event(answer)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Refused(f"{command}: {answer['error']['desc']}")
        raise EOFError("the emulator has closed its monitor")
