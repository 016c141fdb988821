"""What the gdb tests are written in: a winstub, a gdb that talks to it, and words for both.

Nothing here sleeps or picks a port: winstub takes a free one and says which, and everything that is waited
for is a line or a prompt with a deadline. Whatever is typed and printed goes into one transcript, which the
runner shows when a test fails.
"""
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SLOWNESS = float(os.environ.get("TEST_SLOWNESS", "1"))  # instrumented builds run with more
PATIENCE = 30 * SLOWNESS  # seconds until a prompt or a line is given up
READY = re.compile(r"waiting for gdb on 127\.0\.0\.1:(\d+).*\n")


class Failed(Exception):
    """A test's expectation was not met."""


class Transcript:
    """Who said what, in order. What one says in pieces is one text."""

    def __init__(self):
        self.lock = threading.Lock()
        self.said = []

    def add(self, who, text):
        with self.lock:
            if self.said and self.said[-1][0] == who and not self.said[-1][1].endswith("\n"):
                self.said[-1] = (who, self.said[-1][1] + text)
            else:
                self.said.append((who, text))

    def lines(self):
        with self.lock:
            return [f"{who:>7}| {line}" for who, text in self.said for line in text.splitlines()]


class Stream:
    """A pipe of a child: read as it comes, waited for with a deadline."""

    def __init__(self, pipe, who, transcript):
        self.pieces = queue.Queue()
        self.text = ""
        self.ended = False
        self.thread = threading.Thread(target=self.pump, args=(pipe, who, transcript), daemon=True)
        self.thread.start()

    def pump(self, pipe, who, transcript):
        while piece := os.read(pipe.fileno(), 65536):
            text = piece.decode(errors="replace")
            transcript.add(who, text)
            self.pieces.put(text)
        self.pieces.put(None)

    def wait(self, pattern, start=0):
        """The match of pattern in what came since start; None when the stream ends without it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.compile(pattern).search(self.text, start)):
            if self.ended:
                return None
            try:
                piece = self.pieces.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed(f"'{pattern}' did not come within {PATIENCE:.0f} s") from None
            if piece is None:
                self.ended = True
            else:
                self.text += piece
        return found


def invocation(test, arguments):
    """winstub with arguments; in bare mode unless they name the DLLs, whatever this machine has installed."""
    return [test.winstub, *([] if "--root" in arguments else ["--bare"]), *arguments]


class Winstub:
    """A winstub that serves one program on a port of its choice; port is None when it ended instead."""

    def __init__(self, test, *arguments):
        self.command = invocation(test, ["--gdb", "0", *arguments])
        test.transcript.add("shell", " ".join(self.command) + "\n")
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.output = Stream(self.process.stdout, "guest", test.transcript)
        self.errors = Stream(self.process.stderr, "winstub", test.transcript)
        ready = self.errors.wait(READY)
        self.port = int(ready.group(1)) if ready else None
        self.marks = 0  # how many marks a test has left in the log

    def wait(self):
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed("winstub did not end") from None

    def close(self):
        self.process.kill()
        self.process.wait()


class Gdb:
    """A gdb at its prompt. Settings that would make its output vary are off."""

    PROMPT = "(winstub test) "
    SETTINGS = ["set confirm off", "set pagination off", "set width 0", "set style enabled off",
                "set debuginfod enabled off", f"set remotetimeout {int(10 * SLOWNESS)}"]

    def __init__(self, test, program=None, options=()):
        command = [test.gdb, "-nx", "-nh", "-q", *options, "-ex", f"set prompt {self.PROMPT}"]
        for setting in self.SETTINGS:
            command += ["-ex", setting]
        if program:
            command.append(program)
        environment = dict(os.environ, TERM="dumb", LC_ALL="C", HOME=test.folder, DEBUGINFOD_URLS="")
        self.test = test
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        self.output = Stream(self.process.stdout, "gdb", test.transcript)
        self.seen = 0
        self.until_prompt()

    def until_prompt(self):
        """What gdb printed up to its next prompt."""
        start = self.seen
        prompt = self.output.wait(re.escape(self.PROMPT), start)
        if not prompt:
            raise Failed(f"gdb ended with status {self.process.wait()}")
        self.seen = prompt.end()
        return self.output.text[start:prompt.start()]

    def type(self, line):
        """Type a line and do not wait for the prompt."""
        self.test.transcript.add("type", f"{line}\n")
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def do(self, line, *wanted):
        """Type a line; every pattern must be found in what gdb prints, which is returned."""
        self.type(line)
        return self.saw(line, wanted)

    def saw(self, line, wanted):
        answer = self.until_prompt()
        for pattern in wanted:
            if not re.search(pattern, answer, re.M):
                raise Failed(f"after '{line}' gdb did not print '{pattern}' but:\n{answer}")
        return answer

    def evaluate(self, expression):
        """The value of an expression, as a number."""
        answer = self.do(f"output/d {expression}", r"^-?\d+$")
        return int(answer.strip())

    def connect(self, winstub):
        return self.do(f"target remote 127.0.0.1:{winstub.port}", r"Remote debugging using")

    def interrupt(self):
        self.test.transcript.add("type", "^C\n")
        os.killpg(self.process.pid, signal.SIGINT)

    def quit(self):
        self.type("quit")
        self.process.stdin.close()
        self.process.wait(PATIENCE)

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Test:
    """One test with one gdb, one width of guest and one set of DLLs: what it starts ends with it."""

    def __init__(self, build, gdb="gdb", bits=64, dlls=None):
        self.build = build
        self.dlls = os.path.join(TOP, "build", dlls) if dlls else None
        self.winstub = os.path.join(build, "winstub")
        self.gdb = gdb
        self.bits = bits
        self.transcript = Transcript()
        self.folder = tempfile.mkdtemp(prefix="winstub-test-")
        self.started = []

    def guest(self, name, kind="exe"):
        """The path of a guest program of this test's width."""
        return os.path.join(self.build, "guests", f"{name}{self.bits}.{kind}")

    def serve(self, *arguments):
        server = self.attempt(*arguments)
        if server.port is None:
            raise Failed(f"winstub ended with status {server.wait()} instead of waiting for gdb")
        return server

    def attempt(self, *arguments):
        """A winstub that may refuse its program."""
        self.started.append(Winstub(self, *arguments))
        return self.started[-1]

    def debug(self, program=None, options=()):
        self.started.append(Gdb(self, program, options))
        return self.started[-1]

    def session(self, name, *arguments):
        """A winstub that runs a guest, and a gdb connected to it with the guest's symbols."""
        server = self.serve(*arguments, self.guest(name))
        gdb = self.debug(self.guest(name))
        gdb.connect(server)
        return gdb, server

    def run(self, *arguments, status):
        """Run winstub to its end; its standard error. The exit status must be the one given."""
        command = invocation(self, arguments)
        self.transcript.add("shell", " ".join(command) + "\n")
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"winstub did not end within {PATIENCE:.0f} s") from None
        errors = done.stderr.decode(errors="replace")
        self.transcript.add("guest", done.stdout.decode(errors="replace"))
        self.transcript.add("winstub", errors)
        if done.returncode != status:
            raise Failed(f"exit status {done.returncode}, not {status}")
        self.stdout = done.stdout.decode(errors="replace")
        return errors

    def file(self, name, data):
        """A file of this test's own."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def expect(self, truth, what):
        if not truth:
            raise Failed(what)

    def close(self):
        for child in reversed(self.started):
            child.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Wire:
    """A client that speaks the protocol by hand, for what no gdb would send."""

    def __init__(self, test, winstub):
        self.test = test
        self.socket = socket.create_connection(("127.0.0.1", winstub.port), PATIENCE)
        self.data = b""

    def send(self, data):
        self.test.transcript.add("wire>", f"{data!r}\n")
        self.socket.sendall(data)

    def packet(self, body):
        body = body.encode() if isinstance(body, str) else body
        self.send(b"$%s#%02x" % (body, sum(body) & 0xFF))

    def receive(self, wanted):
        """Read until wanted (a pattern over bytes) is there; consumes up to its end."""
        while not (found := re.search(wanted, self.data, re.S)):
            piece = self.socket.recv(65536)
            if not piece:
                raise Failed(f"the connection was closed before {wanted} came; there was {self.data}")
            self.test.transcript.add("wire<", f"{piece!r}\n")
            self.data += piece
        self.data = self.data[found.end():]
        return found

    def ask(self, body):
        """Send a packet, acknowledge the answer and return its body."""
        self.packet(body)
        answer = self.receive(rb"\$([^#]*)#..")
        self.send(b"+")
        return answer.group(1)

    def closed(self):
        """Has the server closed the connection, with nothing said?"""
        try:
            return not self.data and not self.socket.recv(1)
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


def marked_line(source, mark):
    """The number of the line of tests/guests/SOURCE that carries a mark."""
    path = os.path.join(os.path.dirname(__file__), "..", "guests", source)
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if f"MARK {mark} */" in line:
                return number
    raise Failed(f"{source} has no line marked {mark}")
