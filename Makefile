# turnout: make, make test, make check, make bench, make help.  BUILD=build/<variant> keeps several builds
# apart; CC, CFLAGS and LDFLAGS are yours and come last.

BUILD   ?= build
OBJCOPY ?= objcopy
VERSION := 0.1.0
PACKAGES := libzmq hiredis jansson liblmdb msgpack libxxhash libmicrohttpd

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wpointer-arith \
            -Wformat -Wformat-security
CFLAGS   ?= -O2 -g

# Hardening.  What depends on the machine is asked of the compiler.  _FORTIFY_SOURCE needs optimization, does not
# go with a sanitizer, and is left to you when your flags name it.
takes    = $(if $(shell $(CC) -Werror $(1) -x c -c -o /dev/null /dev/null 2>&1),,$(1))
FORTIFY := $(if $(filter-out -O0,$(lastword $(filter -O%,$(CFLAGS)))),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
HARDEN  := $(if $(SANITIZE)$(findstring FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,$(FORTIFY)) -fstack-protector-strong \
           $(foreach f,-fstack-clash-protection -fcf-protection -mbranch-protection=standard,$(call takes,$(f)))
HARDEN_LINK := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

CPPFLAGS_ALL := -I. -D_GNU_SOURCE -DTURNOUT_VERSION='"$(VERSION)"' \
                $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null) $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 $(WARNINGS) -fno-common -fPIC $(HARDEN) \
              $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) $(CFLAGS)
# ASan stands before crypt_r: as needed, the library behind it would not be there.
LDLIBS_ALL := $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(HARDEN_LINK) $(LDFLAGS) $(if $(SANITIZE),-lcrypt) -Wl,--as-needed \
              -lzmq -lhiredis -lmsgpackc -llmdb -ljansson -lxxhash -lmicrohttpd -lcrypt -lm -lpthread $(LDLIBS)

MAINS    := $(wildcard broker/*_main.c workers/*_main.c workers/*/*_main.c)
PROGRAMS := $(patsubst %_main.c,$(BUILD)/bin/%,$(notdir $(MAINS)))
# Those that take longest come first, so that none of them is left over at the end.
SLOW     := pipeline verify rebuild_broken explain power fixtures diff walk rebuild calls_verbs kill_calls derive restart
TESTS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard $(SLOW:%=tests/test_%.c)) \
              $(filter-out $(SLOW:%=tests/test_%.c),$(wildcard tests/test_*.c)))
FUZZERS  := $(patsubst tests/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz_*.c))
BENCHES  := $(patsubst tests/%.c,$(BUILD)/bin/%,$(wildcard tests/bench_*.c))
REPLAYS  := $(patsubst tests/%.c,$(BUILD)/replay/%,$(wildcard tests/fuzz_*.c))
HELPERS  := $(filter-out tests/test_% tests/fuzz_% tests/bench_% tests/replay.c tests/soak.c,$(wildcard tests/*.c))
FOLDERS  := proto broker workers
SOURCES  := $(foreach f,$(FOLDERS),$(filter-out %_main.c,$(wildcard $(f)/*.c $(f)/*/*.c)))
ARCHIVES := $(BUILD)/lib/workers.a $(BUILD)/lib/broker.a $(BUILD)/lib/proto.a
objects   = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

all: $(PROGRAMS) $(BUILD)/lib/libturnout.a

$(BUILD)/lib/proto.a: $(call objects,$(filter proto/%,$(SOURCES)))
$(BUILD)/lib/broker.a: $(call objects,$(filter broker/%,$(SOURCES)))
$(BUILD)/lib/workers.a: $(call objects,$(filter workers/%,$(SOURCES))) $(BUILD)/obj/web_assets.o
$(BUILD)/lib/tests.a: $(call objects,$(HELPERS))
$(BUILD)/lib/%.a:
	@mkdir -p $(@D)
	rm -f $@ && ar crs $@ $^

# For producers in C: one object, of which only turnout.h's names can be seen from outside.
$(BUILD)/lib/libturnout.a: $(call objects,proto/producer.c) $(BUILD)/lib/proto.a
	$(CC) $(CFLAGS) -r -nostdlib -Wl,--force-group-allocation $(if $(findstring -flto,$(CFLAGS)),-flinker-output=nolto-rel) -o $(@:.a=.o) $^
	$(OBJCOPY) --wildcard --keep-global-symbol='turnout_*' $(@:.a=.o)
	rm -f $@ && ar crs $@ $(@:.a=.o)

# A program is named after its main file and links its own folder's library; a test may link all.
$(BUILD)/bin/turnout-broker: $(call objects,broker/turnout-broker_main.c) $(BUILD)/lib/broker.a $(BUILD)/lib/proto.a
$(BUILD)/bin/turnout-worker: $(call objects,workers/turnout-worker_main.c) $(BUILD)/lib/workers.a $(BUILD)/lib/proto.a
$(BUILD)/bin/turnout: $(call objects,workers/cli/turnout_main.c) $(BUILD)/lib/workers.a $(BUILD)/lib/proto.a
$(BUILD)/bin/turnout-web: $(call objects,workers/web/turnout-web_main.c) $(BUILD)/lib/workers.a $(BUILD)/lib/proto.a
$(PROGRAMS):
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/lib/tests.a $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL) -lcmocka -lz

# A producer as others write one; nothing that is installed.
$(BUILD)/bin/feed: tests/feed/feed.c $(BUILD)/lib/libturnout.a
	@mkdir -p $(@D)
	$(CC) -Iproto $(CFLAGS_ALL) -o $@ $^ $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS) -lzmq
$(BUILD)/tests/test_pipeline: | $(BUILD)/bin/feed

# Loaded into a program by tests that make its system calls fail; nothing that is installed.
$(BUILD)/lib/fault.so: tests/fault/fault.c tests/fault/fault.h
	@mkdir -p $(@D)
	$(CC) -I. -D_GNU_SOURCE -std=gnu11 $(WARNINGS) -O2 -g -fPIC -fno-builtin -shared -o $@ $< -ldl

# What scripts/soak runs.
soak: $(BUILD)/bin/soak $(BUILD)/lib/fault.so
$(BUILD)/bin/soak: $(BUILD)/obj/tests/soak.o $(BUILD)/lib/tests.a $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL) -lz

$(BUILD)/bin/bench_%: $(BUILD)/obj/tests/bench_%.o $(BUILD)/lib/tests.a $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL) -lz

# The simulation: its own clocks, links and log lines come before the archives, which then give none.
SIMULATION := $(wildcard tests/simulate/*.c) $(filter-out %_lines.c,$(wildcard tests/model*.c)) \
              $(addprefix tests/,desk.c dump.c power.c random.c world.c)
$(BUILD)/bin/simulate: $(call objects,$(SIMULATION)) $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

SEEDS ?= 1000
SEED  ?= 1
simulate: $(BUILD)/bin/simulate
	@$(BUILD)/bin/simulate --seeds $(SEEDS) --seed $(SEED) $(if $(JOBS),--jobs $(JOBS))

# Faults planted one at a time in a copy of the tree, each to be caught by the simulation.
planted:
	@scripts/planted

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The dashboard's assets are part of the program.
ASSETS := $(wildcard workers/web/assets/*)
$(BUILD)/web_assets.c: $(ASSETS) scripts/web-assets
	@mkdir -p $(@D)
	scripts/web-assets $(ASSETS) >$@
$(BUILD)/obj/web_assets.o: $(BUILD)/web_assets.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Changes only when the flags do: then everything is compiled anew.
$(BUILD)/flags: always
	$(shell mkdir -p $(@D))$(file >$@.now,$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL))
	@if cmp -s $@.now $@; then rm $@.now; else mv $@.now $@; fi

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# A test that stands between the journal and its disk.
DISK_CALLS := open table append put drop abort commit read_begin at_or_before at_or_after next \
              append_kept changed strip_find strip_write
$(BUILD)/tests/test_journal_faults: LDLIBS_ALL += -Wl,--wrap=getrandom $(DISK_CALLS:%=-Wl,--wrap=disk_%)

# Tests in which calls of the C library, ZeroMQ, LMDB and of our own fail.
FAILING := $(shell sed -n 's/^SEAM[^,]*, \([a-z0-9_]*\),.*/\1/p' tests/calls.c) open pread __read_chk
$(BUILD)/tests/test_calls%: LDLIBS_ALL += $(FAILING:%=-Wl,--wrap=%)
$(BUILD)/tests/test_calls_verbs $(BUILD)/tests/test_calls_mend: LDLIBS_ALL += -Wl,--wrap=store_redis_new
# A test that plays the link.
PLAYED := receive send connection peer_number
$(BUILD)/tests/test_sessions: LDLIBS_ALL += $(PLAYED:%=-Wl,--wrap=link_%)

# A fuzzer's function over the files of its corpus, without libFuzzer.
$(BUILD)/replay/%: $(BUILD)/obj/tests/%.o $(BUILD)/obj/tests/replay.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)
$(BUILD)/tests/test_corpus: | $(REPLAYS)

benches: $(BENCHES) $(BUILD)/bin/simulate
test: all $(TESTS) benches $(BUILD)/lib/fault.so
	@scripts/run-tests $(BUILD) $(TESTS)

# The pages in a real browser; needs scripts/setup --browser.
test-browser: all
	@scripts/test-browser

bench: all $(BENCHES)
	@scripts/bench

check:
	@scripts/check

# Every parser against libFuzzer with ASan and UBSan, FUZZ_S seconds each; needs clang.
FUZZ_S ?= 10
fuzz:
	@scripts/fuzz $(FUZZ_S)

# Lines and branches that the tests run through; needs clang and llvm.
coverage:
	@scripts/coverage

fuzzers: $(FUZZERS)
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LDLIBS_ALL)

PREFIX ?= /usr/local
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include
	install $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(BUILD)/lib/libturnout.a $(DESTDIR)$(PREFIX)/lib
	install -m 644 proto/turnout.h $(DESTDIR)$(PREFIX)/include

lint:
	cppcheck -q --std=c11 --enable=warning,performance,portability --error-exitcode=1 \
	    --suppress=missingIncludeSystem --suppress=identicalInnerCondition -I. proto broker workers

clean:
	rm -rf $(BUILD)

format:
	clang-format -i $(wildcard */*.c */*.h */*/*.c */*/*.h)

help:
	@echo 'all      programs into $(BUILD)/bin, libturnout into $(BUILD)/lib'
	@echo 'test     every test (SANITIZE=address,undefined BUILD=build/asan: under sanitizers)'
	@echo 'test-browser  the pages in chromium (scripts/setup --browser)'
	@echo 'check    the house rules: sizes, includes, formatting'
	@echo 'bench    what a private stack can do and what it costs, as a table (minutes; scripts/bench --help)'
	@echo 'fuzz     every parser for FUZZ_S seconds (clang)'
	@echo 'coverage lines and branches that the tests run through (clang, llvm)'
	@echo 'simulate SEEDS=N [SEED=S] [JOBS=n]: all programs in one thread, everything failing'
	@echo 'planted  faults, one at a time, each of which the simulation must catch'
	@echo 'soak     what scripts/soak runs: a real stack, killed and starved for M minutes'
	@echo 'install  into $(PREFIX); also: clean format lint'

.PHONY: all always simulate planted soak test test-browser benches check bench fuzz fuzzers coverage install clean format lint help
.SECONDARY:
