"""The sessions of real clients in tests/transcripts: run again, the same client sends the same bytes.

`make check` replays what was recorded to the stub (check_transcripts); here the client is at work, against the same target
made of nothing. A recorded file names its client and its commands in notes ("c client gdb", "c > info threads"). To record
anew: RECORD=1 python3 tests/gdb/run.py build/release sends_what_was_recorded && make golden
"""
import os
import re
import select
import socket
import subprocess

from session import PATIENCE, READY, TOP, Failed, Stream

TRANSCRIPTS = os.path.join(TOP, "tests", "transcripts")


class Tap:
    """Between a client and a server: notes what the client sends from one answer to the next."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.sent = []

    def run(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        for end in client, server:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        piece = b""
        while ready := select.select([client, server], [], [], PATIENCE)[0]:
            if client in ready:
                if not (data := client.recv(65536)):
                    break
                piece += data
                server.sendall(data)
            elif not (data := server.recv(65536)):
                break
            else:
                self.sent += [piece] if piece else []
                piece = b""
                client.sendall(data)
        self.sent += [piece] if piece else []
        for end in client, server, self.listener:
            end.close()


def command_line(client, port, commands):
    if client == "lldb":
        options = ["lldb", "--no-lldbinit", "--no-use-colors", "--batch", "-o",
                   f"settings set plugin.process.gdb-remote.packet-timeout {PATIENCE:.0f}"]
        return options + [word for line in [f"gdb-remote 127.0.0.1:{port}", *commands] for word in ("-o", line)]
    options = [client, "-nx", "-nh", "-q", "-batch", "-ex", "set confirm off", "-ex", f"set remotetimeout {PATIENCE:.0f}"]
    return options + [word for line in [f"target remote 127.0.0.1:{port}", *commands] for word in ("-ex", line)]


def session(test, client, commands):
    """What the client sends, piece by piece."""
    server = subprocess.Popen([os.path.join(test.build, "tests", "serve_fake")], stderr=subprocess.PIPE)
    try:
        ready = Stream(server.stderr, "serve_fake", test.transcript).wait(READY)
        tap = Tap(int(ready.group(1)))
        words = command_line(client, tap.listener.getsockname()[1], commands)
        test.transcript.add("shell", " ".join(words) + "\n")
        environment = dict(os.environ, TERM="dumb", LC_ALL="C", HOME=test.folder, DEBUGINFOD_URLS="")
        with open(os.path.join(test.folder, "output"), "w+", encoding="utf-8", errors="replace") as output:
            with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment) as process:
                try:
                    tap.run()
                    process.wait(PATIENCE)
                finally:
                    process.kill()
            output.seek(0)
            test.transcript.add(client, output.read())
        return tap.sent
    finally:
        server.kill()
        server.wait()


def as_log(data):
    """Bytes as `set remotelogfile` writes them."""
    return "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in data)


def check(test, name):
    path = os.path.join(TRANSCRIPTS, name)
    with open(path, encoding="latin-1") as file:
        lines = file.read().splitlines()
    client = next(line[9:] for line in lines if line.startswith("c client "))
    commands = [line[4:] for line in lines if line.startswith("c > ")]
    sent = ["w " + as_log(piece) for piece in session(test, client, commands)]
    if os.environ.get("RECORD"):
        with open(path, "w", encoding="latin-1") as file:
            file.write("\n".join([line for line in lines if line.startswith("c ")] + sent) + "\n")
        return
    recorded = [line for line in lines if line.startswith("w ")]
    for number, (now, then) in enumerate(zip(sent + [""], recorded + [""])):
        if now != then:
            raise Failed(f"{name}: piece {number} was\n{then}\nand is\n{now}")


def client_of(name):
    def sends_what_was_recorded(test):
        check(test, name)
    sends_what_was_recorded.matrix = [(re.sub(r"recorded-|\.rsp", "", name), 64)]
    return sends_what_was_recorded


for NAME in sorted(os.listdir(TRANSCRIPTS)):
    if NAME.startswith("recorded-"):
        globals()[NAME] = client_of(NAME)
