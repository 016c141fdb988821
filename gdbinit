# gdb and winstub: settings that suit an emulated Windows program, and the `winstub` commands.
#
#   gdb -x gdbinit hello.exe          or, in a gdb that is already there:   (gdb) source gdbinit
#
# `help winstub` lists the commands. They work in every gdb from 12 on (gdb, gdb-multiarch, mingw's); a gdb with
# Python (Debian's all have it) also gets `winstub mem`, and `info proc mappings` in the columns of other systems.

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

def drop_exec_file_for_core():
    """gdb 13 writes a core in the format of its program file, and crashes when that is no ELF."""
    if remote_connection() and "GNU/Linux" in gdb.execute("show osabi", to_string=True):
        gdb.execute("exec-file", to_string=True)

WinstubMappings()
WinstubMem()
gdb.execute("define hook-generate-core-file\npython drop_exec_file_for_core()\nend")

# Only a gdb that knows more systems than Windows and Linux needs to be told, and not all of those know Windows.
try:
    gdb.execute("set osabi Windows", to_string=True)
except gdb.error:
    pass
end
end
