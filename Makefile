# winstub: a GDB remote target for emulated Windows programs. `make help` lists the targets.

MODE ?= release
O := build/$(MODE)

CC ?= gcc
PKG_CONFIG ?= pkg-config

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
WERROR ?=
MODE_FLAGS_release := -O2 -g -DNDEBUG
MODE_FLAGS_debug := -O0 -g3
MODE_FLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MODE_FLAGS_tsan := -O1 -g -fsanitize=thread
MODE_FLAGS_cov := -O0 -g --coverage
MODE_FLAGS := $(MODE_FLAGS_$(MODE))

# The engine: build/deps when `make deps` had to fetch one, else the system's.
ENGINE ?= $(CURDIR)/build/deps/unicorn
ifneq ($(wildcard $(ENGINE)/include/unicorn/unicorn.h),)
UNICORN_CFLAGS := -isystem $(ENGINE)/include
UNICORN_LIBS := -L$(ENGINE)/lib -lunicorn -Wl,-rpath,$(ENGINE)/lib
else
UNICORN_CFLAGS := $(shell $(PKG_CONFIG) --cflags unicorn 2>/dev/null)
UNICORN_LIBS := $(shell $(PKG_CONFIG) --libs unicorn 2>/dev/null)
endif
CAPSTONE_CFLAGS := $(shell $(PKG_CONFIG) --cflags capstone 2>/dev/null)
CAPSTONE_LIBS := $(shell $(PKG_CONFIG) --libs capstone 2>/dev/null)
CHECK_CFLAGS := $(shell $(PKG_CONFIG) --cflags check 2>/dev/null)
CHECK_LIBS := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

ALL_CFLAGS = -std=c17 -D_GNU_SOURCE $(WARN) $(WERROR) $(MODE_FLAGS) -fPIC -MMD -MP $(CFLAGS)
ALL_CPPFLAGS = -Iinclude -Icore -Istub $(CPPFLAGS)
LIBS = $(UNICORN_LIBS) $(CAPSTONE_LIBS) -lpthread -lm

CORE_SRC := $(wildcard core/*/*.c) $(wildcard core/*.c)
STUB_SRC := $(filter-out stub/main.c stub/net.c,$(wildcard stub/*.c))
LIB_OBJ := $(patsubst %.c,$(O)/%.o,$(CORE_SRC) $(STUB_SRC))
MAIN_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard stub/main.c stub/net.c))
UNIT_BIN := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/check_*.c))
SUPPORT_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard tests/support/*.c))

all: $(O)/winstub $(O)/libwinstub.a ## the program and the libraries

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(EXTRA_CFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(O)/core/cpu/cpu_unicorn.o: EXTRA_CFLAGS := $(UNICORN_CFLAGS)
$(O)/core/cpu/dis_capstone.o: EXTRA_CFLAGS := $(CAPSTONE_CFLAGS)
$(O)/tests/unit/%.o $(O)/tests/support/%.o: EXTRA_CFLAGS := -Itests/support $(CHECK_CFLAGS)

$(O)/libwinstub.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(O)/winstub: $(MAIN_OBJ) $(O)/libwinstub.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/tests/check_%: $(O)/tests/unit/check_%.o $(SUPPORT_OBJ) $(O)/libwinstub.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS)

check: $(UNIT_BIN) ## all tests
	@for t in $(UNIT_BIN); do $$t || exit 1; done

clean: ## remove what was built for this MODE
	rm -rf $(O)

.PHONY: all check clean
.SECONDARY:
-include $(shell find $(O) -name '*.d' 2>/dev/null)
