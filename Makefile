# winstub: a GDB remote target for emulated Windows programs. `make help` lists the targets and the variables.

MODE    ?= release
O       ?= build/$(MODE)
PREFIX  ?= /usr/local
VERSION := 0.1.0
SONAME  := libwinstub.so.0

ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
PKG_CONFIG   ?= $(CROSS_COMPILE)pkg-config
PYTHON       ?= python3
CLANG        ?= clang
CLANG_FORMAT ?= clang-format
FUZZ_SECONDS ?= 600

all: ## the program and the libraries (the default)

help: ## this list
	@echo 'make [TARGET...] [MODE=release|debug|asan|tsan|cov] [V=1] [WERROR=-Werror]'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | sort -u | expand -t 14
	@echo 'CC CFLAGS CPPFLAGS LDFLAGS CROSS_COMPILE PREFIX DESTDIR are yours; ENGINE=DIR names a Unicorn with include/ and lib/.'

# --- dependencies ---------------------------------------------------------------------------------

DEPS_GOALS := $(filter deps deps-check,$(MAKECMDGOALS))
ifneq ($(DEPS_GOALS),)
# What is asked for beside these needs a make that looks for the libraries again once they are there.
.NOTPARALLEL:
deps: ## install what building and the demo need (Debian; asks sudo when not root)
	@.ci/deps build
	@.ci/deps sysroot
deps-check: ## install what the tests need as well
	@.ci/deps check
	@.ci/deps sysroot
	@.ci/deps sysroot8
$(filter-out $(DEPS_GOALS),$(MAKECMDGOALS)): $(DEPS_GOALS)
	@$(MAKE) --no-print-directory $@
else

# The engine: the system's when new enough, else the one that `make deps` unpacked.
UNICORN_MIN := 2.1.1
ifeq ($(origin ENGINE),undefined)
ifneq ($(shell $(PKG_CONFIG) --atleast-version=$(UNICORN_MIN) unicorn 2>/dev/null && echo yes),yes)
ENGINE := $(abspath build/deps/unicorn)
endif
endif
ifneq ($(ENGINE),)
UNICORN_CFLAGS := -isystem $(ENGINE)/include
UNICORN_LIBS   := $(if $(wildcard $(ENGINE)/include/unicorn/unicorn.h),-L$(ENGINE)/lib -lunicorn)
UNICORN_RPATH  := -Wl,-rpath,$(ENGINE)/lib
UNICORN_INSTALLED_RPATH := -Wl,-rpath,'$$ORIGIN/../lib/winstub:$$ORIGIN/winstub'
else
UNICORN_CFLAGS := $(shell $(PKG_CONFIG) --cflags unicorn)
UNICORN_LIBS   := $(shell $(PKG_CONFIG) --libs unicorn)
endif
CAPSTONE_CFLAGS := $(shell $(PKG_CONFIG) --cflags capstone 2>/dev/null)
CAPSTONE_LIBS   := $(shell $(PKG_CONFIG) --libs capstone 2>/dev/null)
CHECK_CFLAGS    := $(shell $(PKG_CONFIG) --cflags check 2>/dev/null)
CHECK_LIBS      := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

ifneq ($(filter-out help clean format sysroot sysroot8,$(or $(MAKECMDGOALS),all)),)
$(if $(UNICORN_LIBS),,$(error Unicorn $(UNICORN_MIN) or newer is missing: run `make deps`, or give ENGINE=DIR))
$(if $(CAPSTONE_LIBS),,$(error Capstone (libcapstone-dev) is missing: run `make deps`))
endif
ifneq ($(filter check check-units programs golden,$(MAKECMDGOALS)),)
$(if $(CHECK_LIBS),,$(error Check (the package named check) is missing: run `make deps-check`))
endif

# --- flags ----------------------------------------------------------------------------------------

MODE_release := -O2 -g -DNDEBUG
MODE_debug   := -O0 -g3
MODE_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MODE_tsan    := -O1 -g -fsanitize=thread
MODE_cov     := -O0 -g --coverage
MODE_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
$(if $(MODE_$(MODE)),,$(error MODE=$(MODE) is none of release debug asan tsan cov))

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
COMPILE   = $(CC) -std=c17 -D_GNU_SOURCE -Iinclude -Icore -Istub $(CPPFLAGS) $(WARN) $(WERROR) -fPIC $(MODE_$(MODE)) $(CFLAGS)
LINK      = $(CC) $(MODE_$(MODE)) $(CFLAGS) $(LDFLAGS)
LIBS     := $(UNICORN_LIBS) $(CAPSTONE_LIBS) -lpthread -lm
# Where tests find what was built for them, and what was written for them.
TEST_CPPFLAGS := -Itests/support -DTEST_BUILD='"$(abspath $O)"' -DTEST_DIR='"$(abspath tests)"'

ifeq ($V,1)
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

# --- what is built from what ----------------------------------------------------------------------

objects     = $(patsubst %.c,$O/%.o,$(wildcard $1))
CORE_OBJ    := $(call objects,core/*.c core/*/*.c)
STUB_OBJ    := $(filter-out $O/stub/main.o,$(call objects,stub/*.c))
SUPPORT_OBJ := $(call objects,tests/support/*.c)
HEADERS     := $(wildcard include/winstub/*.h)
UNIT_TESTS  := $(patsubst tests/unit/%.c,$O/tests/%,$(wildcard tests/unit/check_*.c))
FUZZ_NAMES  := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS     := $(FUZZ_NAMES:%=$O/tests/replay_%)
EXAMPLES    := $(patsubst tests/examples/%.c,$O/tests/example_%,$(wildcard tests/examples/*.c))
SERVE_FAKE  := $O/tests/serve_fake
BENCHES     := $(patsubst tests/bench/%.c,$O/tests/%,$(wildcard tests/bench/bench_*.c))

all: $O/winstub $O/libwinstub.a $O/libwinstub.so $O/winstub.pc

# Everything is compiled again when the compiler or its flags change.
BUILT_WITH = $(subst ','\'',$(filter-out $(WERROR),$(COMPILE)) $(UNICORN_CFLAGS) $(LINK) $(LIBS))
$O/flags: FORCE
	@mkdir -p $(@D); echo '$(BUILT_WITH)' | cmp -s - $@ || echo '$(BUILT_WITH)' >$@

$O/core/cpu/cpu_unicorn.o:  private EXTRA := $(UNICORN_CFLAGS)
$O/core/cpu/dis_capstone.o:  private EXTRA := $(CAPSTONE_CFLAGS)
$O/stub/main.o:              private EXTRA := -DWINSTUB_VERSION='"$(VERSION)"'
$O/tests/unit/%.o:           private EXTRA := $(CHECK_CFLAGS) $(TEST_CPPFLAGS)
$O/tests/support/%.o $O/tests/fuzz/%.o $O/tests/transcripts/%.o: private EXTRA := $(TEST_CPPFLAGS)
ifeq ($(MODE),fuzz)
# What the library is compared with is slow enough, and its branches would pass for coverage.
$(filter $O/tests/support/vm_model%,$(SUPPORT_OBJ)): private EXTRA := $(TEST_CPPFLAGS) -O2 -fno-sanitize=address,undefined,fuzzer-no-link
endif
$O/tests/bench/%.o:          private EXTRA := $(UNICORN_CFLAGS) $(TEST_CPPFLAGS)
# It holds code that a guest runs, which knows no tables, no functions of the C library and no sanitizer.
$O/tests/bench/bench_counted.o: private EXTRA := $(UNICORN_CFLAGS) $(TEST_CPPFLAGS) -O2 -ffreestanding -fno-stack-protector -fno-jump-tables -fno-sanitize=all -fno-profile-arcs -fno-test-coverage
$O/%.o: %.c $O/flags
	$(say) CC $<
	@mkdir -p $(@D)
	$Q$(COMPILE) $(EXTRA) -MMD -MP -c -o $@ $<

$O/libwinstub.a: $(CORE_OBJ) $(STUB_OBJ)
$O/tests/libsupport.a: $(SUPPORT_OBJ)
$O/libwinstub.a $O/tests/libsupport.a:
	$(say) AR $@
	@mkdir -p $(@D); rm -f $@
	$Q$(AR) rcs $@ $^

$O/winstub: $(call objects,stub/main.c) $O/libwinstub.a
$(UNIT_TESTS): $O/tests/check_%: $O/tests/unit/check_%.o $O/tests/libsupport.a $O/libwinstub.a
$(REPLAYS): $O/tests/replay_%: $O/tests/fuzz/fuzz_%.o $O/tests/fuzz/replay.o $O/tests/libsupport.a $O/libwinstub.a
$(BENCHES): $O/tests/bench_%: $O/tests/bench/bench_%.o $O/libwinstub.a
$O/tests/bench_cpu $O/tests/bench_counted: $O/tests/bench/machines.o
$O/tests/serve_fake: $O/tests/transcripts/serve_fake.o $O/tests/libsupport.a $O/libwinstub.a
$O/tests/bench_rsp: $O/tests/bench/rsp_client.o
$(EXAMPLES): $O/tests/example_%: $O/tests/examples/%.o $O/libwinstub.a
# tests/support/alloc_fail.c stands between the library and the allocator.
WRAPPED := -Wl,-u,__wrap_malloc,--wrap=malloc,--wrap=calloc,--wrap=realloc
# tests/fuzz/fuzz_engine.c is asked at each turn of a guest's.
TURNS   := -Wl,--wrap=process_schedule
$(UNIT_TESTS): private LIBS := $(CHECK_LIBS) $(LIBS) $(WRAPPED)
$(SERVE_FAKE): private LIBS += $(WRAPPED)
$(REPLAYS): private LIBS += $(WRAPPED) $(if $(filter %_engine,$@),$(TURNS))
$O/winstub $(UNIT_TESTS) $(REPLAYS) $(BENCHES) $(EXAMPLES) $(SERVE_FAKE):
	$(say) LINK $@
	@mkdir -p $(@D)
	$Q$(LINK) -o $@ $^ $(UNICORN_RPATH) $(LIBS)

$O/$(SONAME): $(CORE_OBJ) $(STUB_OBJ)
	$(say) LINK $@
	$Q$(LINK) -shared -Wl,-soname,$(SONAME) -o $@ $^ $(UNICORN_RPATH) $(LIBS)
$O/libwinstub.so: $O/$(SONAME)
	$Qln -sf $(SONAME) $@

$O/winstub.pc: Makefile $O/flags
	@printf '%s\n' 'prefix=$(PREFIX)' 'Name: winstub' 'Version: $(VERSION)' \
	 'Description: Windows programs in an emulated NT process, for debuggers' 'License: GPL-2.0-or-later' \
	 'Cflags: -I$${prefix}/include' 'Libs: -L$${prefix}/lib -lwinstub' \
	 'Libs.private: -lunicorn -lcapstone -lpthread -lm' >$@

# --- guests: Windows programs for the tests, built by mingw ---------------------------------------

MINGW64 ?= x86_64-w64-mingw32-
MINGW32 ?= i686-w64-mingw32-
GUEST_FLAGS := -std=c17 -g -O0 -Wall -Wextra -ffreestanding -fno-stack-protector -mno-stack-arg-probe \
               -nostdlib -Wl,--dynamicbase
GUESTS := $(foreach g,$(patsubst tests/guests/%.c,%,$(wildcard tests/guests/*.c)),$O/guests/$g64.exe $O/guests/$g32.exe) \
          $(patsubst tests/guests/%.s,$O/guests/%.bin,$(wildcard tests/guests/*.s))
# Whole programs with the C runtime: they need DLLs.
programs = $(foreach p,$(basename $(notdir $(wildcard tests/programs/*.$1))),$O/programs/$p64.exe $O/programs/$p32.exe)
libraries = $(foreach p,$(basename $(notdir $(wildcard tests/libraries/*.c))),$O/programs/$p64.dll $O/programs/$p32.dll)
GUESTS   += $(call programs,c) $(call programs,cpp) $(libraries)

# The smallest ntdll, with a program that runs on it: see tests/guests/small/.
SMALL  := $(addprefix $O/guests/small/,crew64.exe crew32.exe Windows/System32/ntdll.dll Windows/SysWOW64/ntdll.dll)
GUESTS += $(SMALL)

comma := ,
# $(call mingw,COMPILER,ARGUMENTS)
define mingw
	$(say) GUEST $@
	@mkdir -p $(@D); command -v $1 >/dev/null || { echo "$1 is missing: run 'make deps-check'"; exit 1; }
	$Q$1 -o $@ $< $2
endef
PROGRAM_FLAGS     := -std=gnu17 -g -O0 -Wall -Wextra
PROGRAM_FLAGS_CXX := -std=gnu++17 -g -O1 -Wall -Wextra -static
$O/programs/%64.exe: tests/programs/%.c $(wildcard tests/programs/*.h)
	$(call mingw,$(MINGW64)gcc,$(PROGRAM_FLAGS) -lsynchronization)
$O/programs/%32.exe: tests/programs/%.c $(wildcard tests/programs/*.h)
	$(call mingw,$(MINGW32)gcc,$(PROGRAM_FLAGS) -lsynchronization)
# C++ brings its runtime along: a program is one file. Of the two variants this one has std::thread.
$O/programs/%64.exe: tests/programs/%.cpp
	$(call mingw,$(MINGW64)g++-posix,$(PROGRAM_FLAGS_CXX))
$O/programs/%32.exe: tests/programs/%.cpp
	$(call mingw,$(MINGW32)g++-posix,$(PROGRAM_FLAGS_CXX))
$O/programs/%64.dll: tests/libraries/%.c
	$(call mingw,$(MINGW64)gcc,$(PROGRAM_FLAGS) -shared)
$O/programs/%32.dll: tests/libraries/%.c
	$(call mingw,$(MINGW32)gcc,$(PROGRAM_FLAGS) -shared)
# The entry point of a guest is a function named start.
$O/guests/%64.exe: tests/guests/%.c
	$(call mingw,$(MINGW64)gcc,$(GUEST_FLAGS) -Wl$(comma)-e$(comma)start -lkernel32)
$O/guests/%64.exe: tests/bench/%.c
	$(call mingw,$(MINGW64)gcc,$(GUEST_FLAGS) -Wl$(comma)-e$(comma)start -lkernel32)
$O/guests/%32.exe: tests/guests/%.c
	$(call mingw,$(MINGW32)gcc,$(GUEST_FLAGS) -Wl$(comma)-e$(comma)_start -lkernel32)

SMALL_FLAGS := $(GUEST_FLAGS) -Wl$(comma)--export-all-symbols
$O/guests/small/Windows/System32/ntdll.dll: tests/guests/small/ntdll.c tests/guests/small/services.h
	$(call mingw,$(MINGW64)gcc,$(SMALL_FLAGS) -shared -Wl$(comma)-e0)
	@touch $(@D)/locale.nls
$O/guests/small/Windows/SysWOW64/ntdll.dll: tests/guests/small/ntdll.c tests/guests/small/services.h $O/guests/small/Windows/System32/ntdll.dll
	$(call mingw,$(MINGW32)gcc,$(SMALL_FLAGS) -shared -Wl$(comma)-e0)
$O/guests/small/%64.exe: tests/guests/small/%.c tests/guests/small/services.h
	$(call mingw,$(MINGW64)gcc,$(GUEST_FLAGS) -Wl$(comma)-e$(comma)start)
$O/guests/small/%32.exe: tests/guests/small/%.c tests/guests/small/services.h
	$(call mingw,$(MINGW32)gcc,$(GUEST_FLAGS) -Wl$(comma)-e$(comma)_start)

# Assembly is plain code, without a file format around it.
$O/guests/%32.bin: private WIDTH := -m32
$O/guests/%64.bin: private WIDTH := -m64
$O/guests/%.bin: tests/guests/%.s
	$(say) GUEST $@
	@mkdir -p $(@D)
	$Q$(CC) $(WIDTH) -c -o $(@:.bin=.o) $< && $(CROSS_COMPILE)objcopy -O binary -j .text $(@:.bin=.o) $@

# --- tests ----------------------------------------------------------------------------------------

RUN_TESTS := TEST_SLOWNESS=$(if $(filter release,$(MODE)),1,4) $(PYTHON) tests/run.py
UNITS     := $(UNIT_TESTS) $(foreach n,$(FUZZ_NAMES),"$O/tests/replay_$n tests/fuzz/corpus/$n") \
             "$(PYTHON) tests/examples/run.py $(EXAMPLES)"
check: all $(UNIT_TESTS) $(REPLAYS) $(EXAMPLES) $(SERVE_FAKE) $(GUESTS) ## every test; ends with "N passed, N failed, N skipped"
	@$(RUN_TESTS) $(UNITS) "$(PYTHON) tests/gdb/run.py $O"
check-units: $(UNIT_TESTS) $(REPLAYS) $(EXAMPLES) $(GUESTS) ## the unit tests, the fuzz corpora and the examples only
	@$(RUN_TESTS) $(UNITS)

check-programs: all ## programs that nobody here wrote, fetched with npm: a table of how far each gets
	@$(PYTHON) tests/thirdparty/run.py $O

programs: all $(UNIT_TESTS) $(REPLAYS) $(BENCHES) $(EXAMPLES) $(SERVE_FAKE) ## compile everything, tests and benches too, and run nothing

# One fuzz target by hand: make fuzz FUZZ_NAMES=rsp_frame FUZZ_SECONDS=60
ifeq ($(MODE),fuzz)
FUZZERS := $(FUZZ_NAMES:%=$O/fuzz_%)
$(FUZZERS): private LIBS += $(WRAPPED) $(if $(filter %_engine,$@),$(TURNS))
$O/fuzz_engine: | $(SMALL) $(foreach w,64 32,$O/guests/imports$w.exe $O/guests/shell_peb$w.bin)
$(FUZZERS): $O/fuzz_%: $O/tests/fuzz/fuzz_%.o $O/tests/libsupport.a $O/libwinstub.a
	$(say) LINK $@
	$Q$(LINK) -fsanitize=fuzzer -o $@ $^ $(UNICORN_RPATH) $(LIBS)
run-fuzzers: $(FUZZERS)
	@for n in $(FUZZ_NAMES); do mkdir -p $O/found/$$n || exit 1; echo "fuzz_$$n: $(FUZZ_SECONDS) s"; \
	 $O/fuzz_$$n -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -artifact_prefix=$O/found/ \
	     $O/found/$$n tests/fuzz/corpus/$$n || exit 1; done
endif
fuzz: ## FUZZ_SECONDS (600) of each fuzz target, with clang; findings land in build/fuzz/found
	@$(MAKE) --no-print-directory MODE=fuzz CC=$(CLANG) run-fuzzers

$O/tests/engine_time.so: tests/bench/engine_time.c $O/flags
	$(say) LINK $@
	@mkdir -p $(@D)
	$Q$(COMPILE) $(UNICORN_CFLAGS) $(LDFLAGS) -shared -o $@ $< -ldl
bench: all $(BENCHES) $(GUESTS) $O/guests/beside64.exe $O/tests/engine_time.so ## measure; one line per case: name value unit
	@for b in $(BENCHES); do $$b || exit 1; done
	@$(PYTHON) tests/bench/hello.py $O
	@$(PYTHON) tests/bench/beside.py $O

golden: $O/tests/check_transcripts ## rewrite the answers in tests/transcripts (look at the diff!)
	@WINSTUB_GOLDEN=1 $<

sysroot: ## unpack the newest Wine's DLLs, both widths, under build/sysroot; nothing of it is installed or run
	@.ci/deps sysroot
sysroot8: ## the same of Wine 8, under build/sysroot8; the tests run on both
	@.ci/deps sysroot8

conformance: all ## Wine's own memory tests, fetched and compiled here, on Wine 8's DLLs inside winstub
	@.ci/deps wine-source
	@$(PYTHON) tests/conformance/run.py $O

# Which files of it: SUITE=gdb.base/break.exp, for one.
SUITE ?= open.list
gdb-testsuite: all ## GDB's own testsuite, fetched here, with PE programs inside winstub; judged by what gdbserver.exe passed
	@.ci/deps gdb-source
	@GDB_SRC=build/gdb-source STUB_CMD='$(abspath $O)/winstub --root $(abspath build)/sysroot --gdb {PORT} {EXE} {ARGS}' \
	 STUB_LDFLAGS=-static STUB_STDERR=$(abspath $O)/gdb-testsuite.log tests/gdb-testsuite/run-suite -o $O/gdb-testsuite $(SUITE)
	@tests/gdb-testsuite/compare -e pe-wine-gdbserver.open $O/gdb-testsuite

demo: all $O/programs/hello64.exe ## a real gdb attached to a real PE, from its entry point to its end
	@.ci/demo $O

# --- house keeping --------------------------------------------------------------------------------

LIBDIR := $(DESTDIR)$(PREFIX)/lib
install: all ## into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include/winstub $(DESTDIR)$(PREFIX)/share/winstub
	$(LINK) -o $(DESTDIR)$(PREFIX)/bin/winstub $(call objects,stub/main.c) $O/libwinstub.a $(UNICORN_INSTALLED_RPATH) $(LIBS)
	$(LINK) -shared -Wl,-soname,$(SONAME) -o $(LIBDIR)/$(SONAME) $(CORE_OBJ) $(STUB_OBJ) $(UNICORN_INSTALLED_RPATH) $(LIBS)
	ln -sf $(SONAME) $(LIBDIR)/libwinstub.so
	install -m 644 $O/libwinstub.a $(LIBDIR)
	install -m 644 $O/winstub.pc $(LIBDIR)/pkgconfig
	install -m 644 $(HEADERS) $(DESTDIR)$(PREFIX)/include/winstub
	install -m 644 gdbinit $(DESTDIR)$(PREFIX)/share/winstub
ifneq ($(ENGINE),)
	install -d $(LIBDIR)/winstub
	install $(ENGINE)/lib/libunicorn.so.2 $(LIBDIR)/winstub
endif

SOURCES := $(wildcard core/*.[ch] core/*/*.[ch] stub/*.[ch] include/winstub/*.h tests/*/*.[ch])
format: ## lay the sources out with clang-format
	$(CLANG_FORMAT) -i $(SOURCES)

lint: $O/libwinstub.a ## include boundaries, headers that stand alone, banned functions, lengths, layout
	@CC='$(CC)' CLANG_FORMAT='$(CLANG_FORMAT)' $(PYTHON) .ci/lint $<

clean: ## remove what was built for this MODE
	rm -rf $O

.PHONY: all help sysroot sysroot8 check check-units check-programs programs fuzz run-fuzzers bench golden conformance gdb-testsuite demo install format lint clean FORCE
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $O -name '*.d' 2>/dev/null)

endif
