# gdb and winstub: settings that suit an emulated Windows program, and the `winstub` commands.
#
#   gdb -x gdbinit hello.exe          or, in a gdb that is already there:   (gdb) source gdbinit
#
# `help winstub` lists the commands. They work in every gdb from 12 on (gdb, gdb-multiarch, mingw's); a gdb with
# Python (Debian's all have it) also gets `winstub mem` and `winstub call`, and `info proc mappings` in the columns of other systems.

# The guest never sees a breakpoint, so all may stay in place: no packets to take them out at each stop.
set breakpoint always-inserted on
# What winstub offers as the memory map is the whole user range. Whether an address is there, it says itself.
set mem inaccessible-by-default off
# An emulator on a busy machine may take its time.
set remotetimeout 10

define-prefix winstub
document winstub
Look at and steer an emulated Windows program.
end

define winstub connect
  if $argc == 0
    target remote 127.0.0.1:1234
  else
    target remote 127.0.0.1:$arg0
  end
end
document winstub connect
Connect to a winstub on this machine: winstub connect [PORT]
PORT is 1234 unless given.
end

define winstub map
  if $argc == 0
    monitor map
  else
    eval "monitor map 0x%llx", (unsigned long long) ($arg0)
  end
end
document winstub map
Show the memory map as Windows sees it: winstub map [ADDRESS]
With ADDRESS (an expression) only the allocation that holds it.
end

define winstub over
  monitor step over
  stepi
end
document winstub over
Step one instruction, over a call in one go: winstub over
winstub runs the call to its return by itself, without symbols and without a packet in between.
end

define winstub next
  monitor step over
  step
end
document winstub next
Step to another source line, over calls, in one packet: winstub next
As `next`, but winstub does it all by itself.
end

define winstub out
  monitor step out
  stepi
end
document winstub out
Run until the function returns to its caller: winstub out
As `finish`, but winstub needs neither symbols nor a frame that gdb can unwind.
end

define winstub query
  if $argc == 0
    printf "winstub query ADDRESS\n"
  else
    eval "monitor query 0x%llx", (unsigned long long) ($arg0)
  end
end
document winstub query
Describe the run of pages that holds an address, as VirtualQuery does: winstub query ADDRESS
end

define winstub teb
  monitor teb
end
document winstub teb
Show the thread environment block of the current thread, member by member.
end

define winstub peb
  monitor peb
end
document winstub peb
Show the process environment block, member by member, with command line and directory.
end

define winstub why
  monitor why
end
document winstub why
Say again why the program stands still: reason, thread, address, and the sentence that explains it.
end

define winstub exports
  if $argc == 0
    printf "winstub exports MODULE [PART]\n"
  else
    if $argc == 1
      monitor exports $arg0
    else
      monitor exports $arg0 $arg1
    end
  end
end
document winstub exports
List what a module exports: winstub exports MODULE [PART]
MODULE is a name such as ntdll; with PART only names that have it in them.
end

define winstub persona
  show osabi
end
document winstub persona
Say for which system gdb takes the program. A gdb that knows Windows has $_tlb, $_siginfo as EXCEPTION_RECORD, and
functions that are called as Windows does; one that takes it for Linux has `info proc mappings`, `gcore` and Linux'
$_siginfo of its own.
end

define winstub return
  if $argc == 0
    printf "winstub return VALUE [ARGBYTES]\n"
  else
    if sizeof (void *) == 8
      set $rax = (unsigned long long) ($arg0)
      set $rip = *(unsigned long long *) $rsp
      set $rsp = $rsp + 8
    else
      set $eax = (unsigned int) ($arg0)
      set $eip = *(unsigned int *) $esp
      set $esp = $esp + 4
      if $argc > 1
        set $esp = $esp + ($arg1)
      end
    end
    frame
  end
end
document winstub return
Answer a function in its stead: winstub return VALUE [ARGBYTES]
For a stop at the first instruction of a function, such as one of a DLL that is not there ("KERNEL32!CreateFileA
called from ..."). The program goes on behind the call, with VALUE as its result. 32-bit functions of
Windows take their arguments off the stack: ARGBYTES says how many bytes, 4 for each argument.
end

# A convenience function that gdb's own Python code defines: void where there is no Python.
if $_isvoid ($_streq)
  define info proc mappings
    monitor map
  end
  document info proc mappings
Show the memory map of a program that runs in winstub.
  end
else
python
import re
import struct
import xml.etree.ElementTree

def remote_connection():
    connection = gdb.selected_inferior().connection
    return connection if hasattr(connection, "send_packet") else None

def native_mappings():
    try:
        gdb.execute("info proc all")
    except gdb.error as error:
        raise gdb.GdbError(str(error))

class WinstubMappings(gdb.Command):
    """Show the memory map of the program, committed and reserved memory, in gdb's own columns.
It is winstub's 'monitor map' in the form that front ends read. Without a remote program it is 'info proc all'."""

    ROW = re.compile(r"([0-9a-f]+)-([0-9a-f]+) +[0-9a-f]+ (\S+) +(\S+) +(\S+) +([0-9a-f]*) *(.*)")
    ACCESS = {"READONLY": "r--", "READWRITE": "rw-", "WRITECOPY": "rw-", "EXECUTE": "--x", "EXECUTE_READ": "r-x",
              "EXECUTE_READWRITE": "rwx", "EXECUTE_WRITECOPY": "rwx"}

    def __init__(self):
        super().__init__("info proc mappings", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        if not remote_connection():
            native_mappings()
            return
        print("%18s %18s %10s %10s  %s  %s" % ("Start Addr", "End Addr", "Size", "Offset", "Perms", "objfile"))
        for line in gdb.execute("monitor map", to_string=True).splitlines():
            row = self.ROW.fullmatch(line.rstrip())
            if row and row.group(3) != "FREE":
                print(self.mapping(row))

    def mapping(self, row):
        start, end, base = (int(row.group(n) or "0", 16) for n in (1, 2, 6))
        words = row.group(5).split("|")
        access = self.ACCESS.get(words[0], "---") if "GUARD" not in words else "---"
        return "0x%016x 0x%016x %#10x %#10x  %sp  %s" % (start, end, end - start, start - base, access, row.group(7))

class WinstubMem(gdb.Command):
    """Make 'info mem' true again: winstub mem
gdb asks for the memory map once per connection. This asks again, replaces gdb's list by the answer and shows it."""

    def __init__(self):
        super().__init__("winstub mem", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        connection = remote_connection()
        if not connection:
            raise gdb.GdbError("Not connected to a winstub: try 'winstub connect'.")
        text = b""
        more = True
        while more:
            piece = connection.send_packet("qXfer:memory-map:read::%x,%x" % (len(text), 0x4000))
            if piece[:1] not in (b"m", b"l"):
                raise gdb.GdbError("This target sends no memory map.")
            text += piece[1:]
            more = piece[:1] == b"m"
        gdb.execute("delete mem")
        for region in xml.etree.ElementTree.fromstring(text.decode()).iter("memory"):
            start, length = (int(region.get(name), 0) for name in ("start", "length"))
            gdb.execute("mem %#x %#x rw" % (start, start + length))
        gdb.execute("info mem")

def split_call(text):
    """("f", ["a", "b"]) of "f(a, b)"; None when that is no call."""
    depth, quote, cuts, opening = 0, None, [], None
    for at, c in enumerate(text):
        if quote:
            quote = None if c == quote and text[at - 1] != "\\" else quote
        elif c in "\"'":
            quote = c
        elif c in "([{":
            if not depth and c == "(":
                opening, cuts = at, []
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and depth == 1:
            cuts.append(at)
    if not opening or not text.endswith(")"):
        return None
    edges = [opening, *cuts, len(text) - 1]
    arguments = [text[a + 1:b].strip() for a, b in zip(edges, edges[1:])]
    return text[:opening].strip(), arguments if arguments != [""] else []

class Call:
    """One call of a function of the program. Texts among the arguments lie on the stack meanwhile: gdb would ask the
program's malloc for room, which there may not be."""

    SCALARS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_CHAR)

    def __init__(self, function, arguments):
        pointer = function.type.strip_typedefs().code == gdb.TYPE_CODE_PTR
        self.function = function.dereference() if pointer else function
        self.type = self.function.type.strip_typedefs()
        if self.type.code != gdb.TYPE_CODE_FUNC:
            raise gdb.GdbError("That is no function.")
        if len(arguments) < len(self.type.fields()):
            raise gdb.GdbError("The function takes %d arguments." % len(self.type.fields()))
        self.arguments = arguments

    def make(self):
        gdb.execute("frame 0", to_string=True)
        stack = int(gdb.parse_and_eval("(unsigned long long) $sp"))
        gdb.execute("set $sp = %#x" % self.put_texts(stack), to_string=True)
        value = self.run()
        gdb.execute("set $sp = %#x" % stack, to_string=True)
        return value

    def put_texts(self, stack):
        """Write the texts below stack and let the arguments point there; the new top of the stack."""
        for i, value in enumerate(self.arguments):
            kind = value.type.strip_typedefs()
            if kind.code == gdb.TYPE_CODE_ARRAY and value.address is None:
                stack = (stack - kind.sizeof) & ~15
                bytes_of = [int(value[at]) & 0xff for at in range(kind.sizeof)]
                gdb.selected_inferior().write_memory(stack, bytes(bytes_of))
                self.arguments[i] = gdb.Value(stack).cast(kind.target().pointer())
        return stack

    def run(self):
        return self.function(*self.arguments)

class WindowsCall(Call):
    """The same as Windows' 64-bit convention wants it, made by a gdb that passes arguments as Linux does. Linux' third to
sixth integer are Windows' second, first, third and fourth in the same registers; its seventh and so on lie on the stack, where
Windows has four words of the callee's and then the fifth argument. Floating-point arguments go by position."""

    def run(self):
        result = (self.type.target() or gdb.lookup_type("long")).strip_typedefs()
        reference = result.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF)
        if not reference and result.code not in self.SCALARS + (gdb.TYPE_CODE_VOID, gdb.TYPE_CODE_FLT):
            raise gdb.GdbError("A function that returns '%s' cannot be called." % result)
        value = self.evaluate(result)
        if reference:
            return value.cast(result.target().pointer()).dereference()
        return value if result.code in (gdb.TYPE_CODE_VOID, gdb.TYPE_CODE_FLT) else value.cast(result)

    def word(self, value, wanted):
        """An argument as the 8 bytes that are passed, converted to the parameter's type."""
        if wanted is not None and wanted.strip_typedefs().code in self.SCALARS + (gdb.TYPE_CODE_FLT,):
            value = value.cast(wanted)
        kind = value.type.strip_typedefs()
        if kind.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            return struct.pack("<Q", int(value.referenced_value().address))
        if kind.code == gdb.TYPE_CODE_ARRAY:
            return struct.pack("<Q", int(value.address))
        if kind.code == gdb.TYPE_CODE_FLT and kind.sizeof in (4, 8):
            return struct.pack("<f4x" if kind.sizeof == 4 else "<d", float(value))
        if kind.code in self.SCALARS and kind.sizeof <= 8:
            return struct.pack("<Q", int(value) & 0xffffffffffffffff)
        raise gdb.GdbError("An argument of type '%s' cannot be passed." % value.type)

    def evaluate(self, result):
        wanted = [field.type for field in self.type.fields()] + [None] * len(self.arguments)
        words = [self.word(*pair) for pair in zip(self.arguments, wanted)]
        numbers = ["%#xULL" % struct.unpack("<Q", word)[0] for word in words]
        first = (numbers + ["0"] * 4)[:4]
        for i, word in enumerate((words + [b"\0" * 8] * 4)[:4]):
            gdb.set_convenience_variable("_winstub_arg%d" % i, struct.unpack("<d", word)[0])
        floats = ["$_winstub_arg%d" % i for i in range(4)]
        kind = {gdb.TYPE_CODE_VOID: "void", gdb.TYPE_CODE_FLT: str(result)}.get(result.code, "unsigned long long")
        passed = ["0", "0", first[1], first[0], *first[2:], *["0"] * 4, *numbers[4:], *floats]
        language = gdb.parameter("language")
        gdb.execute("set language c", to_string=True)  # where () takes what comes
        try:
            return gdb.parse_and_eval("((%s (*)()) %#x)(%s)" % (kind, int(self.function.address), ", ".join(passed)))
        finally:
            gdb.execute("set language %s" % language, to_string=True)

class WinstubCall(gdb.Command):
    """Call a function of the program as Windows does: winstub call FUNCTION(ARGUMENTS)
A gdb that takes the program for a Linux one passes a 64-bit function's arguments in the wrong registers, in 'call' and 'print'
as well. Texts and further calls may be arguments; structures may not, nor be results, in such a gdb."""

    def __init__(self):
        super().__init__("winstub call", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        parts = split_call(argument.strip())
        if not parts:
            raise gdb.GdbError("winstub call FUNCTION(ARGUMENTS)")
        try:
            value = self.call(gdb.parse_and_eval(parts[0]), parts[1])
        except gdb.error as error:
            raise gdb.GdbError(str(error))
        if value.type.code != gdb.TYPE_CODE_VOID:
            gdb.set_convenience_variable("_winstub_result", value)
            gdb.execute("print $_winstub_result")

    def call(self, function, texts):
        arguments = [self.argument(text) for text in texts]
        return (WindowsCall if passes_as_linux() else Call)(function, arguments).make()

    def argument(self, text):
        parts = split_call(text)
        try:
            function = gdb.parse_and_eval(parts[0]) if parts else None
        except gdb.error:  # a cast, sizeof
            function = None
        return gdb.parse_and_eval(text) if function is None else self.call(function, parts[1])

def passes_as_linux():
    wide = gdb.lookup_type("void").pointer().sizeof == 8
    return wide and "Windows" not in gdb.execute("show osabi", to_string=True).splitlines()[0]

def warn_of_call():
    if remote_connection() and passes_as_linux():
        print("winstub: this gdb passes a function's arguments as Linux does; 'winstub call' does it as Windows.")

def drop_exec_file_for_core():
    """gdb 13 writes a core in the format of its program file, and crashes when that is no ELF."""
    if remote_connection() and "GNU/Linux" in gdb.execute("show osabi", to_string=True):
        gdb.execute("exec-file", to_string=True)

WinstubMappings()
WinstubMem()
WinstubCall()
gdb.execute("define hook-call\npython warn_of_call()\nend")
gdb.execute("define hook-generate-core-file\npython drop_exec_file_for_core()\nend")

# Only a gdb that knows more systems than Windows and Linux needs to be told, and not all of those know Windows.
try:
    gdb.execute("set osabi Windows", to_string=True)
except gdb.error:
    pass
end
end
