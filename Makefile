# The gateway's build. `make` builds build/gateway; `make help` lists the rest.
#
#   make                   build/gateway, installing what the build needs when it is missing
#   make deps              install every Debian package the targets below need
#   make run               the gateway on 127.0.0.1:8080 with a small hospital behind it
#   make test              make unit, thread, system, faults, differential, lint and bench-gate
#   make unit              unit tests under ASan and UBSan; thread: under TSan; system: against the built gateway
#   make faults            what holds when replicas, networks, disks and memory fail; on loopback, in three minutes
#   make swarm-test        the same gateway on a real Docker swarm of three nodes (needs root)
#   make chaos             the long form of both, beside haproxy and nginx; writes RESULTS.md; 30 minutes and more
#   make bench             CPU per request beside haproxy, nginx, h2o and a raw TCP relay (ten minutes; bench/run --quick: one)
#   make bench-gate        user instructions and system calls per request against the budget
#   make differential      the request parser against python3-h11, DIFFERENTIAL_SECONDS (10) of it
#   make fuzz              every fuzz target for FUZZ_SECONDS (60) each
#   make prove             bounded proofs of the breaker and the parsers, with cbmc
#   make lint              layering rules, compiler warnings as errors, formatting traps
#   make analyze           gcc -fanalyzer and clang-tidy
#   make peers             what haproxy and nginx do with the messages of tests/data
#   make install           the program and an example configuration; PREFIX=/usr/local, DESTDIR= for packagers
#   make clean             remove build/
#
# Variables: SANITIZER=address,undefined or thread (builds into a folder of its own), V=1 (shows commands), CC, CFLAGS,
# LDFLAGS.

SANITIZER ?=
V         ?= 0
PREFIX    ?= /usr/local
CC        ?= gcc
CFLAGS    ?= -g $(if $(SANITIZER),-O1,-O3 -flto=auto)
VERSION   := $(shell cat VERSION)

comma     := ,
BUILD     := build$(if $(SANITIZER),/$(subst $(comma),-,$(SANITIZER)))
Q         := $(if $(filter 1,$(V)),,@)
say        = $(if $(filter 1,$(V)),@:,@printf '  %-6s %s\n' $(1) $(2))

# ---- what has to be installed, by who needs it -------------------------------------------------------------------
BUILD_PACKAGES := gcc libc6-dev make pkg-config libevent-dev libcurl4-openssl-dev libc-ares-dev libyaml-dev libjansson-dev libseccomp-dev
TEST_PACKAGES  := libcmocka-dev python3 python3-pytest python3-h11 curl wrk procps cppcheck iproute2 iptables libfaketime valgrind strace slowhttptest
SWARM_PACKAGES := docker.io mmdebstrap iproute2 iptables curl wrk python3 python3-pytest ca-certificates
BENCH_PACKAGES := haproxy nginx-light h2o wrk valgrind strace linux-perf python3
ANALYZE_PACKAGES := clang-tidy-14 python3
FUZZ_PACKAGES  := clang-14 libclang-rt-14-dev llvm-14
PROVE_PACKAGES := gcc libc6-dev python3 debian-archive-keyring

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# $(call need,PACKAGES): installs those that are missing; silent when none is.
need = @missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || printf '%s ' $$p; done); \
	if [ -n "$$missing" ]; then \
		command -v apt-get >/dev/null || { echo "missing, and no apt-get to install it: $$missing" >&2; exit 1; }; \
		echo "installing $$missing"; \
		$(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

# ---- what is built -----------------------------------------------------------------------------------------------
MODULES  := breaker routes gateway/base gateway/http gateway/net gateway/discovery gateway/telemetry gateway/admin gateway
SOURCES  := $(foreach module,$(MODULES),$(wildcard $(module)/*.c))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY  := $(BUILD)/libgateway.a
LIBS     := -levent_core -levent_extra -lcares -lyaml -ljansson -lseccomp -ldl -pthread
HOSPITAL := $(patsubst tests/hospital/%.c,$(BUILD)/hospital/%,$(wildcard tests/hospital/*.c))
LOAD     := $(BUILD)/load/load
FAULTS   := $(BUILD)/faults/replica $(BUILD)/faults/nomalloc.so
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
THREAD   := $(patsubst tests/thread/%.c,$(BUILD)/thread/%,$(wildcard tests/thread/test_*.c))

WARNINGS := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla -Wundef
ALL_CFLAGS  = -std=c11 -D_GNU_SOURCE -DGATEWAY_VERSION='"$(VERSION)"' -I. $(WARNINGS) -fno-common -fstack-protector-strong -fPIE -fno-plt \
              $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-sanitize-recover=all -fno-omit-frame-pointer,-D_FORTIFY_SOURCE=2) $(CFLAGS)
ALL_LDFLAGS = $(CFLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SANITIZER),-fsanitize=$(SANITIZER)) $(LDFLAGS)

.PHONY: all deps deps-build deps-test deps-swarm deps-bench deps-fuzz deps-prove deps-analyze help run test unit thread system differential swarm-test bench bench-gate fuzz prove lint analyze peers install clean
.DEFAULT_GOAL := all
.SECONDARY:

all: deps-build
	@$(MAKE) --no-print-directory $(BUILD)/gateway

deps: deps-build deps-test deps-swarm deps-bench deps-fuzz deps-prove deps-analyze
deps-build: ; $(call need,$(BUILD_PACKAGES))
deps-test:  deps-build ; $(call need,$(TEST_PACKAGES))
deps-swarm: deps-build ; $(call need,$(SWARM_PACKAGES))
deps-bench: deps-build ; $(call need,$(BENCH_PACKAGES))
deps-fuzz:  deps-build ; $(call need,$(FUZZ_PACKAGES))
deps-prove: ; $(call need,$(PROVE_PACKAGES))
deps-analyze: deps-build ; $(call need,$(ANALYZE_PACKAGES))

help:
	@sed -n '3,/^$$/s/^#//p' Makefile

$(BUILD)/obj/%.o: %.c Makefile VERSION
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIBRARY): $(filter-out $(BUILD)/obj/gateway/main.o,$(OBJECTS))
	@rm -f $@
	$(Q)ar qcs $@ $^

$(BUILD)/gateway: $(BUILD)/obj/gateway/main.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/hospital/%: $(BUILD)/obj/tests/hospital/%.o
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -levent_core -levent_extra -ljansson

$(BUILD)/load/%: $(BUILD)/obj/tests/load/%.o
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(BUILD)/faults/%.so: tests/faults/%.c Makefile
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) -O2 -fPIC -shared -o $@ $<

$(BUILD)/faults/%: $(BUILD)/obj/tests/faults/%.o
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(BUILD)/unit/test_memory_short: LDFLAGS += -Wl,--wrap=calloc,--wrap=realloc

# The whole-connection fuzzer's inputs: the same objects, but what they call of the C library and libevent is tests/fuzz's.
WORLD := $(patsubst %,$(BUILD)/obj/tests/fuzz/%.o,fuzz_connection cast judge world world_loop)

$(BUILD)/libworld.a: $(LIBRARY) tests/fuzz/world.syms
	$(Q)objcopy --redefine-syms=tests/fuzz/world.syms $< $@

$(BUILD)/unit/test_connection: $(BUILD)/obj/tests/unit/test_connection.o $(WORLD) $(BUILD)/libworld.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--wrap=breaker_admit,--wrap=breaker_settle -o $@ $^ -lcmocka -lyaml -lseccomp -pthread

$(BUILD)/thread/%: $(BUILD)/obj/tests/thread/%.o $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(BUILD)/differential.so: tests/fuzz/differential.c $(filter gateway/http/%,$(SOURCES)) $(wildcard gateway/http/*.h gateway/base/*.h)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -I. $(WARNINGS) -O1 -g -fPIC -fsanitize=undefined -fno-sanitize-recover=all -shared -o $@ $(filter %.c,$^)

-include $(wildcard $(OBJECTS:.o=.d) $(BUILD)/obj/tests/*/*.d)

# ---- tests -------------------------------------------------------------------------------------------------------
# Unit tests always run under ASan+UBSan and thread tests under TSan, in build folders of their own.
.PHONY: run-unit run-thread hospital load faults chaos
run-unit: $(UNIT)
	@set -e; for t in $(UNIT); do $$t; done
run-thread: $(THREAD)
	@set -e; for t in $(THREAD); do TSAN_OPTIONS=halt_on_error=1 $$t; done
hospital: $(HOSPITAL)
load: $(LOAD)
faults: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/gateway hospital load $(FAULTS)
	@tests/faults/run
chaos: deps-test deps-bench deps-swarm
	@$(MAKE) --no-print-directory $(BUILD)/gateway hospital load $(FAULTS)
	@status=0; \
	RESULTS=tests/faults/RESULTS.md tests/faults/run --full || status=$$?; \
	RESULTS=tests/swarm/RESULTS.md tests/swarm/run --full || status=$$?; \
	exit $$status

unit: deps-test
	@$(MAKE) --no-print-directory SANITIZER=address,undefined run-unit
thread: deps-test
	@$(MAKE) --no-print-directory SANITIZER=thread run-thread
system: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/gateway hospital
	@python3 -m pytest -q -p no:cacheprovider tests/system tests/conformance
differential: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/differential.so
	@tests/fuzz/differential
lint:
	@tests/lint/run
peers: deps-test deps-bench
	@tests/conformance/run --peers
analyze: deps-analyze
	@tests/lint/analyze

test: unit thread system faults differential lint bench-gate

swarm-test: deps-swarm
	@tests/swarm/run

run: deps-build
	@$(MAKE) --no-print-directory $(BUILD)/gateway hospital
	@tests/hospital/run

bench: deps-bench
	@$(MAKE) --no-print-directory $(BUILD)/gateway $(BUILD)/hospital/dns
	@bench/run

bench-gate: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/gateway
	@bench/gate

fuzz: deps-fuzz
	@tests/fuzz/run

prove: deps-prove
	@tests/prove/run

install: all
	install -D -m 755 $(BUILD)/gateway $(DESTDIR)$(PREFIX)/bin/gateway
	install -D -m 644 gateway.yml $(DESTDIR)/etc/gateway/gateway.yml.example

clean:
	rm -rf build
