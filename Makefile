# The gateway's build. `make` builds build/gateway; `make help` lists the rest.
#
#   make                   build/gateway and build/autoscaler; installs nothing, names what is missing and the package that holds it
#   make deps              install every Debian package the targets below need
#   make check             as make test, but installs nothing
#   make autoscaler        build/autoscaler, which scales swarm services when Prometheus' alerts ask for it
#   make run               the gateway on 127.0.0.1:8080 with a small hospital behind it
#   make lab               the whole lab: stacks, databases, Kafka, Prometheus, autoscaler on a swarm of this machine; make lab-down
#   make load              50 users on /patient, with JMeter from Maven Central (LOAD_HOST, LOAD_PORT, LOAD_SECONDS)
#   make test              unit, thread, system, browser, faults, differential, lint, bench-gate: all, with a summary (V=1: as it comes)
#   make unit              unit tests under ASan and UBSan; thread: under TSan; system: against the built gateway
#   make browser           the live page in Chromium before three gateways; screenshots in build/browser (README's: tests/browser/pictures)
#   make faults            what holds when replicas, networks, disks and memory fail; on loopback, in three minutes
#   make swarm-test        the same gateway on a real Docker swarm of three nodes (needs root)
#   make lab-test          the lab's steps one after the other under load, on an engine of its own; writes RESULTS.md; fifteen minutes
#                          (needs root; SHORT=1: half of it)
#   make chaos             the long form of both, beside haproxy and nginx; writes RESULTS.md; 30 minutes and more
#   make sanitized         the system and the fault tests on the TSan and the ASan+UBSan build (one of them: sanitized-thread,
#                          sanitized-address)
#   make chaos-driver      everything at once on the TSan and the ASan+UBSan build: clients, replicas, DNS, reloads, SIGTERM
#                          (tests/chaos; CHAOS_SECONDS=25, CHAOS_SEED=1); make chaos-planted: the faults that it must find
#   make bench             CPU per request beside haproxy, nginx, h2o and a raw TCP relay (fifteen minutes; bench/run --quick: one)
#   make bench-spring      the same beside Spring Cloud Gateway, of today and the last with Hystrix; built by Maven (eight minutes)
#   make bench-page        what an open live page costs the requests that pass by; open and closed in turns (five minutes)
#   make bench-gate        user instructions and system calls per request against the budget
#   make differential      the request parser against python3-h11, DIFFERENTIAL_SECONDS (10) of it
#   make differential-breaker  the breaker against Resilience4j's, which maven fetches, on TRACES (10000) random traces
#   make differential-spring   the real Spring Cloud Gateway and this one, with one application.yml, on the same requests; writes
#                          tests/differential/SPRING.md (Maven Central; two minutes)
#   make fuzz              every fuzz target for FUZZ_SECONDS (60) each
#   make prove             bounded proofs of the breaker and the parsers, with cbmc
#   make lint              layering rules, compiler warnings as errors, formatting traps
#   make analyze           gcc -fanalyzer and clang-tidy
#   make suites            clients and suites from PyPI, npm, Go and Java, straight and through the gateway (ten minutes)
#   make peers             what haproxy and nginx do with the messages of tests/data
#   make install           programs, manual pages, completions, a unit for systemd, an example configuration; make uninstall takes
#                          them away
#   make deb               the Debian packages, in build/deb
#   make dist              build/gateway-VERSION.tar.gz, from what is committed
#   make matrix            {Debian 12, 13} x {gcc, clang} x {release, ASan+UBSan, TSan}, arm64, other compilers, musl, analysis and
#                          the packages in roots of their own; writes RESULTS.md; hours (needs root; CELLS=debian13-gcc: only these;
#                          SHORT=1: Debian 13, gcc, release, in minutes)
#   make packaging         what this file promises: installs nothing, the same bytes from any folder, rebuilds what other flags change
#   make clean             remove build/
#
# With apt and dpkg, make run and the targets that test and measure install what they need from Debian's packages; DEPS=no
# keeps them from that.
#
# Variables: SANITIZER=address,undefined or thread (builds into a folder of its own), V=1 (shows commands), CC, CPPFLAGS, CFLAGS,
# LDFLAGS, AR, OBJCOPY, PKG_CONFIG, BUILD_CC; DESTDIR, prefix (PREFIX=/usr/local), exec_prefix, bindir, datarootdir, datadir,
# mandir, unitdir, and sysconfdir=/etc, below which the gateway looks for gateway/gateway.yml.

SANITIZER ?=
V         ?= 0
PKG_CONFIG ?= pkg-config
OBJCOPY   ?= objcopy
# Clang's own way to optimise the whole program takes a linker that knows it, which few systems have.
CFLAGS    ?= -g $(if $(SANITIZER),-O1,-O3 $(if $(findstring clang,$(CC)),,-flto=auto))
VERSION   := $(shell cat VERSION)
# Empty where nobody knows: neither git nor the file that `make dist` fills in.
COMMIT    ?= $(shell git describe --always --abbrev=12 --exclude='*' --dirty=-modified 2>/dev/null || sed -n '/^[0-9a-f]/s/^\(.\{12\}\).*/\1/p' COMMIT 2>/dev/null)

PREFIX      ?= /usr/local
prefix      ?= $(PREFIX)
exec_prefix ?= $(prefix)
bindir      ?= $(exec_prefix)/bin
datarootdir ?= $(prefix)/share
datadir     ?= $(datarootdir)
mandir      ?= $(datarootdir)/man
sysconfdir  ?= /etc
unitdir     ?= $(prefix)/lib/systemd/system
INSTALL     ?= install

comma     := ,
BUILD     := build$(if $(SANITIZER),/$(subst $(comma),-,$(SANITIZER)))
Q         := $(if $(filter 1,$(V)),,@)
say        = $(if $(filter 1,$(V)),@:,@printf '  %-6s %s\n' $(1) $(2))

# ---- what has to be installed, by who needs it -------------------------------------------------------------------
BUILD_PACKAGES := gcc libc6-dev make pkg-config libevent-dev libcurl4-openssl-dev libc-ares-dev libyaml-dev libjansson-dev libjose-dev libseccomp-dev libpcre2-dev libcrypt-dev libhiredis-dev
RUN_PACKAGES   := curl procps libmariadb-dev librdkafka-dev
SMOKE_PACKAGES := libcmocka-dev python3 python3-pytest mount iproute2
TEST_PACKAGES  := $(SMOKE_PACKAGES) python3-h11 python3-cryptography curl wrk procps cppcheck iptables python3-pytest-xdist python3-pytest-rerunfailures libfaketime valgrind strace slowhttptest prometheus redis-server
BROWSER_PACKAGES := chromium chromium-driver fonts-dejavu-core util-linux
SWARM_PACKAGES := docker.io mmdebstrap mount iproute2 iptables curl wrk python3 python3-pytest ca-certificates
PACKAGING_PACKAGES := build-essential systemd man-db dpkg-dev debhelper lintian fakeroot logrotate file
LOAD_PACKAGES  := maven default-jre-headless python3
LAB_PACKAGES   := docker.io mmdebstrap mount iproute2 iptables curl python3 ca-certificates $(LOAD_PACKAGES)
# Debian 13 has no h2o.
BENCH_PACKAGES  = haproxy nginx-light $(shell apt-cache show h2o 2>/dev/null | sed -n 's/^Package: \(h2o\)$$/\1/p;/^Package/q') wrk valgrind strace linux-perf python3
SPRING_PACKAGES := haproxy wrk linux-perf python3 maven default-jdk-headless
ANALYZE_PACKAGES := clang-tidy python3
FUZZ_PACKAGES  := clang libclang-rt-dev llvm
MATRIX_PACKAGES := mmdebstrap mount util-linux iproute2 python3
REPLAY_PACKAGES := gcc libc6-dev python3 default-jdk-headless maven
PROVE_PACKAGES := gcc libc6-dev python3 debian-archive-keyring

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# $(call need,PACKAGES,GROUPS): installs those that are missing; silent when none is. Without apt and dpkg, or with DEPS=no, it
# installs nothing, and only says what is missing of the GROUPS of deploy/probe.
need = $(if $(INSTALLS),$(need_packages),$(if $(2),@$(PROBE) $(2)))
DEPS     ?= yes
INSTALLS  = $(if $(filter no,$(DEPS)),,$(shell command -v apt-get >/dev/null && command -v dpkg-query))
PROBE     = CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' CFLAGS='$(CFLAGS)' PKG_CONFIG='$(PKG_CONFIG)' deploy/probe
need_packages = @missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || printf '%s ' $$p; done); \
	if [ -n "$$missing" ]; then \
		echo "installing $$missing"; \
		$(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

# ---- what is built -----------------------------------------------------------------------------------------------
MODULES  := breaker routes routes/config gateway/base gateway/http gateway/net gateway/jose gateway/discovery gateway/telemetry gateway/admin gateway/worker gateway/upstream gateway/filter gateway/exchange gateway/downstream gateway/control gateway/import gateway/replay gateway
SOURCES  := $(foreach module,$(MODULES),$(wildcard $(module)/*.c))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/gateway/admin/page/built_in.o
LIBRARY  := $(BUILD)/libgateway.a
# libcurl, hiredis, libjose and PCRE2 are opened when they are first needed (gateway/net/fetch.c, gateway/net/redis_reader.c,
# gateway/jose/signature.c, routes/expression.c): only their headers count here.
# Each before what it takes from others, as a linker wants it of static libraries.
MODULES_LINKED := libevent_extra libevent_core libcares yaml-0.1 jansson libseccomp
# A sanitizer has a crypt_r() of its own, which calls the library's: for the linker nobody needs that.
CRYPT    := $(if $(SANITIZER),-Wl$(comma)--no-as-needed) -lcrypt $(if $(SANITIZER),-Wl$(comma)--as-needed)
LIBS     := $(shell $(PKG_CONFIG) --libs $(MODULES_LINKED) 2>/dev/null) $(CRYPT) -ldl -pthread
HEADERS  := $(shell $(PKG_CONFIG) --cflags $(MODULES_LINKED) libcurl jose libpcre2-8 2>/dev/null || echo missing)
HOSPITAL_LIBS = $(shell $(PKG_CONFIG) --libs libmariadb rdkafka)
AUTOSCALER := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard deploy/autoscaler/*.c))
MANUAL   := $(addprefix $(BUILD)/manual/,gateway.8 autoscaler.8 gateway.yml.5 gateway.bash autoscaler.bash _gateway _autoscaler)
HOSPITAL := $(BUILD)/hospital/service $(BUILD)/hospital/dns
SERVICE  := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard deploy/hospital/*.c))
LOAD     := $(BUILD)/load/load
FAULTS   := $(BUILD)/faults/replica $(BUILD)/faults/nomalloc.so
# Nobody has José and OpenSSL for musl, to sign with. The hospital's library for Kafka need not be there where nobody runs the hospital.
NOT_UNIT := $(if $(findstring musl,$(CC)),%/test_token.c) $(shell $(PKG_CONFIG) --exists rdkafka 2>/dev/null || echo %/test_hospital_events.c)
UNIT     := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(filter-out $(NOT_UNIT),$(wildcard tests/unit/test_*.c)))
THREAD   := $(patsubst tests/thread/%.c,$(BUILD)/thread/%,$(wildcard tests/thread/test_*.c))

WARNINGS := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla -Wundef
# The same bytes from any folder: what is compiled never learns where it lies.
SAME_BYTES := '-ffile-prefix-map=$(CURDIR)=.'
ALL_CFLAGS  = -std=c11 -D_GNU_SOURCE -DGATEWAY_VERSION='"$(VERSION)"' -DGATEWAY_SYSCONFDIR='"$(sysconfdir)"' -I. $(HEADERS) $(WARNINGS) -fno-common -fstack-protector-strong -fPIE -fno-plt \
              $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-sanitize-recover=all -fno-omit-frame-pointer,$(FORTIFY)) $(SAME_BYTES) $(CPPFLAGS) $(CFLAGS)
# Flags of the user's own that say it, as a distribution's do, are not contradicted.
FORTIFY     = $(if $(findstring FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-D_FORTIFY_SOURCE=2)
ALL_LDFLAGS = $(CFLAGS) $(SAME_BYTES) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SANITIZER),-fsanitize=$(SANITIZER)) $(LDFLAGS)

.PHONY: all deps deps-build deps-run deps-test deps-browser deps-swarm deps-bench deps-spring deps-fuzz deps-prove deps-replay deps-matrix deps-analyze help run test unit thread system differential differential-breaker differential-spring swarm-test bench bench-spring bench-page bench-gate fuzz prove lint analyze peers suites install clean
.DEFAULT_GOAL := all
.SECONDARY:

all: $(BUILD)/gateway $(BUILD)/autoscaler $(MANUAL)

deps: deps-build deps-test deps-browser deps-packaging deps-swarm deps-bench deps-spring deps-fuzz deps-prove deps-replay deps-analyze deps-load deps-lab
deps-build: ; $(call need,$(BUILD_PACKAGES),build)
deps-run:   deps-build ; $(call need,$(RUN_PACKAGES),hospital)
deps-test:  deps-run ; $(call need,$(TEST_PACKAGES),test)
deps-browser: deps-test ; $(call need,$(BROWSER_PACKAGES))
deps-packaging: deps-build ; $(call need,$(PACKAGING_PACKAGES))
deps-swarm: deps-build ; $(call need,$(SWARM_PACKAGES))
deps-load: ; $(call need,$(LOAD_PACKAGES))
deps-lab: ; $(call need,$(LAB_PACKAGES))
deps-bench: deps-build ; $(call need,$(BENCH_PACKAGES))
deps-spring: deps-build ; $(call need,$(SPRING_PACKAGES))
deps-fuzz:  deps-build ; $(call need,$(FUZZ_PACKAGES))
deps-replay: ; $(call need,$(REPLAY_PACKAGES))
deps-matrix: ; $(call need,$(MATRIX_PACKAGES))
deps-prove: ; $(call need,$(PROVE_PACKAGES))
deps-analyze: deps-build ; $(call need,$(ANALYZE_PACKAGES))

help:
	@sed -n '3,/^$$/s/^#//p' Makefile

# The flags of the last build. After a change this file is newer than the objects of the old flags, so make compiles them anew.
FLAGS  := $(CC) $(AR) $(ALL_CFLAGS) / $(ALL_LDFLAGS) $(LIBS)
ifneq ($(file <$(BUILD)/flags),$(FLAGS))
.PHONY: $(BUILD)/flags
endif
$(BUILD)/flags: export FLAGS := $(FLAGS)
$(BUILD)/flags:
	@$(PROBE) build
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS" >$@

# Only the command line knows the commit, so that a commit compiles one file anew. Where nobody
# knows the commit any more (root, whom git does not answer, in `make install`) what was built stays.
SELF   := $(if $(COMMIT),-DGATEWAY_COMMIT='" ($(COMMIT))"')
ifneq ($(file <$(BUILD)/self),$(SELF))
ifneq ($(if $(COMMIT),,$(wildcard $(BUILD)/self)),$(BUILD)/self)
.PHONY: $(BUILD)/self
endif
endif
$(BUILD)/self: export SELF := $(SELF)
$(BUILD)/self:
	@mkdir -p $(@D)
	@printf '%s\n' "$$SELF" >$@
$(BUILD)/obj/gateway/main.o $(BUILD)/obj/deploy/autoscaler/main.o: $(BUILD)/self
$(BUILD)/obj/gateway/main.o $(BUILD)/obj/deploy/autoscaler/main.o: private ALL_CFLAGS += $(SELF)

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The assembler reads the live page's files; -MMD does not see them.
$(BUILD)/obj/gateway/admin/page/built_in.o: gateway/admin/page/built_in.S $(wildcard gateway/admin/page/*) $(BUILD)/flags
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter -m%,$(CFLAGS)) -c -o $@ $<

$(LIBRARY): $(filter-out $(BUILD)/obj/gateway/main.o,$(OBJECTS))
	@rm -f $@
	$(Q)$(AR) qcs $@ $^

$(BUILD)/gateway: $(BUILD)/obj/gateway/main.o $(LIBRARY)
	$(call say,LINK,"$@$(if $(findstring -flto,$(CFLAGS)), (the whole program is optimised at once: up to half a minute))")
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/autoscaler: $(AUTOSCALER) $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcurl -lm

$(SERVICE): | probe-hospital
.PHONY: probe-hospital
probe-hospital: $(BUILD)/flags
	@$(PROBE) hospital

$(BUILD)/hospital/service: $(SERVICE)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -levent_core -levent_extra -ljansson $(HOSPITAL_LIBS) -pthread

# The manual pages and completions, printed from the tables of the programs by a program for the machine that builds.
BUILD_CC ?= $(CC)
PRINTER  := deploy/manual/manual.c gateway/options.c deploy/autoscaler/options.c gateway/base/usage.c routes/config/keys.c routes/config/complaints.c
$(BUILD)/print-manual: $(PRINTER) $(wildcard gateway/*.h gateway/base/usage.h deploy/autoscaler/options.h routes/config/*.h) $(BUILD)/flags
	$(Q)$(BUILD_CC) -std=c11 -D_GNU_SOURCE -DGATEWAY_VERSION='"$(VERSION)"' -DGATEWAY_SYSCONFDIR='"$(sysconfdir)"' -I. $(WARNINGS) -o $@ $(PRINTER)
$(MANUAL): $(BUILD)/print-manual
	@mkdir -p $(@D)
	$(Q)$< $(@F) >$@.new && mv $@.new $@

# Always made anew: another installation before may have named other folders.
.PHONY: $(BUILD)/gateway.service
$(BUILD)/gateway.service: deploy/systemd/gateway.service $(BUILD)/flags
	@sed 's|@bindir@|$(bindir)|; s|@sysconfdir@|$(sysconfdir)|' $< >$@

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
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) -lcmocka $(LIBS) -lm

$(BUILD)/unit/test_alerts $(BUILD)/unit/test_service $(BUILD)/unit/test_corpus: $(BUILD)/obj/deploy/autoscaler/alerts.o $(BUILD)/obj/deploy/autoscaler/service.o

$(BUILD)/unit/test_hospital_events: $(patsubst %,$(BUILD)/obj/deploy/hospital/%.o,clinic events)
$(BUILD)/unit/test_hospital_events: LIBS += $(HOSPITAL_LIBS)
$(BUILD)/unit/test_hospital_events: override LDFLAGS += -Wl,--wrap=rd_kafka_queue_io_event_enable

# They sign tokens, which the gateway never does.
$(BUILD)/unit/test_token: LIBS += -ljose -lcrypto

$(BUILD)/unit/test_memory_short: override LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

# The whole-connection fuzzer's inputs: the same objects, but what they call of the C library and libevent is tests/fuzz's.
WORLD := $(patsubst %,$(BUILD)/obj/tests/fuzz/%.o,fuzz_connection peers rules judge world world_loop)

$(BUILD)/libworld.a: $(LIBRARY) tests/fuzz/world.syms
	$(Q)$(OBJCOPY) --redefine-syms=tests/fuzz/world.syms $< $@

$(BUILD)/unit/test_connection: $(BUILD)/obj/tests/unit/test_connection.o $(WORLD) $(BUILD)/libworld.a
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--wrap=breaker_admit,--wrap=breaker_admit_aside,--wrap=breaker_settle -o $@ $^ -lcmocka -lyaml -ljansson -lseccomp $(CRYPT) -ldl -pthread

$(BUILD)/thread/%: $(BUILD)/obj/tests/thread/%.o $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(BUILD)/matrix/%: $(BUILD)/obj/tests/matrix/%.o $(LIBRARY)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/differential.so: tests/fuzz/differential.c $(filter gateway/http/%,$(SOURCES)) $(wildcard gateway/http/*.h gateway/base/*.h)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -I. $(WARNINGS) -O1 -g -fPIC -fsanitize=undefined -fno-sanitize-recover=all -shared -o $@ $(filter %.c,$^)

-include $(wildcard $(OBJECTS:.o=.d) $(AUTOSCALER:.o=.d) $(SERVICE:.o=.d) $(BUILD)/obj/tests/*/*.d)

# ---- tests -------------------------------------------------------------------------------------------------------
# Unit tests always run under ASan+UBSan and thread tests under TSan, in build folders of their own.
.PHONY: run-unit run-thread autoscaler hospital load-client faults chaos
# RUN=qemu-aarch64: by which program they run.
run-unit: $(UNIT)
	@set -e; for t in $(UNIT); do $(RUN) $$t; done
run-thread: $(THREAD)
	@set -e; for t in $(THREAD); do TSAN_OPTIONS=halt_on_error=1 $(RUN) $$t; done
autoscaler: $(BUILD)/autoscaler
hospital: $(HOSPITAL)
load-client: $(LOAD)
faults: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/gateway hospital load-client $(FAULTS)
	@tests/faults/run
chaos: deps-test deps-bench deps-swarm
	@$(MAKE) --no-print-directory $(BUILD)/gateway hospital load-client $(FAULTS)
	@status=0; \
	RESULTS=tests/faults/RESULTS.md tests/faults/run --full || status=$$?; \
	RESULTS=tests/swarm/RESULTS.md tests/swarm/run --full || status=$$?; \
	RARE_SCALE=1 $(PYTEST) tests/system/test_breaker.py -k rarely_called || status=$$?; \
	exit $$status

# The Python that has Debian's python3-pytest, where there is one: another may stand before it in PATH.
PYTEST      = $(firstword $(foreach p,/usr/bin/python3 python3,$(shell $(p) -c 'import pytest' 2>/dev/null && echo $(p))) python3) -m pytest -q -p no:cacheprovider
# Many tests wait most of their time: with python3-pytest-xdist several files run at once.
FILES_AT_ONCE ?= 4
AT_ONCE     = $(shell $(firstword $(PYTEST)) -c 'import xdist' 2>/dev/null && echo "-n $(FILES_AT_ONCE) --dist loadfile")

# Not the long form of anything: a driver of its own.
CHAOS_SECONDS ?= 25
CHAOS_SEED    ?= 1
SANITIZERS    ?= thread address,undefined
.PHONY: chaos-driver chaos-planted
chaos-driver: deps-test
	@status=0; for sanitizer in $(SANITIZERS); do \
		build=build/$$(echo $$sanitizer | tr , -); \
		$(MAKE) --no-print-directory SANITIZER=$$sanitizer $$build/gateway && \
		tests/chaos/chaos.py --gateway $$build/gateway --seed $(CHAOS_SEED) --seconds $(CHAOS_SECONDS) --reloads 1000 || status=$$?; \
	done; exit $$status
chaos-planted: deps-test
	@tests/chaos/planted

# A test skips what a sanitizer's build can't show (its own memory, its own malloc, the sandbox), and says why. Many tests wait most
# of the time, so pytest runs several files of them at once, but not of the faults, which share one firewall.
.PHONY: sanitized sanitized-thread sanitized-address
sanitized:
	@$(MAKE) --no-print-directory -k $(foreach sanitizer,$(SANITIZERS),sanitized-$(firstword $(subst $(comma), ,$(sanitizer))))
sanitized-thread:  sanitizer = thread
sanitized-thread:  export FIRST_PORT = 12000
sanitized-address: sanitizer = address,undefined
sanitized-address: export FIRST_PORT = 22000
sanitized-thread sanitized-address: built = build/$(subst $(comma),-,$(sanitizer))
sanitized-thread sanitized-address: deps-test
	@$(MAKE) --no-print-directory build/gateway hospital load-client $(FAULTS)
	@$(MAKE) --no-print-directory SANITIZER=$(sanitizer) $(built)/gateway $(built)/autoscaler
	@status=0; export GATEWAY_BINARY=$(built)/gateway; \
		$(PYTEST) $(AT_ONCE) tests/system || status=1; tests/faults/run || status=1; exit $$status

unit: deps-test
	@$(MAKE) --no-print-directory SANITIZER=address,undefined run-unit
thread: deps-test
	@$(MAKE) --no-print-directory SANITIZER=thread run-thread
system: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/gateway $(BUILD)/autoscaler hospital
	@$(PYTEST) $(AT_ONCE) tests/system tests/conformance
.PHONY: browser
browser: deps-browser
	@$(MAKE) --no-print-directory $(BUILD)/gateway hospital
	@$(PYTEST) tests/browser
differential: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/differential.so
	@tests/fuzz/differential
lint:
	@tests/lint/run
peers: deps-test deps-bench
	@tests/conformance/run --peers
suites: deps-test
	$(call need,python3-venv)
	@$(MAKE) --no-print-directory $(BUILD)/gateway
	@tests/suites/run
analyze: deps-analyze
	@tests/lint/analyze
# Prints a list of packages above, for those who install them into a root of their own: make -s list-BUILD_PACKAGES.
list-%:
	@echo $($*)
.PHONY: matrix
matrix: deps-matrix
	@tests/matrix/run $(if $(filter 1,$(SHORT)),--short) $(CELLS)

.PHONY: check packaging dist uninstall deb
# From what is committed: what dpkg-buildpackage leaves behind lies below build/.
deb: deps-packaging dist
	@rm -rf build/deb && mkdir -p build/deb
	tar -xzf build/gateway-$(VERSION).tar.gz -C build/deb
	cd build/deb/gateway-$(VERSION) && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc
	lintian --fail-on warning build/deb/*.changes
check:
	@$(PROBE) build hospital test
	@$(MAKE) --no-print-directory DEPS=no test
packaging: deps-test deps-packaging
	@$(PYTEST) tests/packaging

test: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/gateway $(BUILD)/autoscaler hospital load-client $(FAULTS)
	@tests/all "unit thread system browser differential lint bench-gate" faults

swarm-test: deps-swarm
	@tests/swarm/run

lab-test: deps-swarm deps-load
	@tests/lab/run $(if $(filter 1,$(SHORT)),--short)

.PHONY: lab lab-down lab-test load deps-load deps-lab
lab: deps-lab
	@deploy/lab/run
lab-down:
	@deploy/lab/run down
load: deps-load
	@deploy/load/run

run: deps-run
	@$(MAKE) --no-print-directory $(BUILD)/gateway hospital
	@tests/hospital/run

bench: deps-bench
	@$(MAKE) --no-print-directory $(BUILD)/gateway $(BUILD)/hospital/dns
	@bench/run

bench-spring: deps-spring
	@$(MAKE) --no-print-directory $(BUILD)/gateway
	@mvn -q -B -f bench/spring package
	@bench/spring/run

bench-page: deps-bench deps-test
	@$(MAKE) --no-print-directory $(BUILD)/gateway
	@bench/page

bench-gate: deps-test
	@$(MAKE) --no-print-directory $(BUILD)/gateway
	@bench/gate

fuzz: deps-fuzz
	@tests/fuzz/run

differential-breaker: deps-replay
	@tests/differential/run

differential-spring: deps-spring
	@$(MAKE) --no-print-directory $(BUILD)/gateway
	@mvn -q -B -f bench/spring/current package
	@tests/differential/spring

prove: deps-prove
	@tests/prove/run

define newline


endef
# The files that `make install` installs and `make uninstall` removes: mode:file:where.
INSTALLED = 755:$(BUILD)/gateway:$(bindir)/gateway 755:$(BUILD)/autoscaler:$(bindir)/autoscaler \
            644:gateway.yml:$(sysconfdir)/gateway/gateway.yml.example \
            644:$(BUILD)/gateway.service:$(unitdir)/gateway.service \
            644:deploy/systemd/gateway.logrotate:$(sysconfdir)/logrotate.d/gateway \
            644:$(BUILD)/manual/gateway.8:$(mandir)/man8/gateway.8 644:$(BUILD)/manual/autoscaler.8:$(mandir)/man8/autoscaler.8 \
            644:$(BUILD)/manual/gateway.yml.5:$(mandir)/man5/gateway.yml.5 \
            644:$(BUILD)/manual/gateway.bash:$(datadir)/bash-completion/completions/gateway \
            644:$(BUILD)/manual/autoscaler.bash:$(datadir)/bash-completion/completions/autoscaler \
            644:$(BUILD)/manual/_gateway:$(datadir)/zsh/site-functions/_gateway \
            644:$(BUILD)/manual/_autoscaler:$(datadir)/zsh/site-functions/_autoscaler
field = $(word $(1),$(subst :, ,$(one)))
install: all
	@rm -f $(BUILD)/gateway.service
	@$(MAKE) --no-print-directory $(BUILD)/gateway.service
	$(foreach one,$(INSTALLED),$(INSTALL) -D -m $(call field,1) $(call field,2) "$(DESTDIR)$(call field,3)"$(newline))
uninstall:
	$(foreach one,$(INSTALLED),rm -f "$(DESTDIR)$(call field,3)"$(newline))
	rmdir "$(DESTDIR)$(sysconfdir)/gateway" 2>/dev/null || true
dist:
	@mkdir -p build
	git archive --prefix=gateway-$(VERSION)/ --output=build/gateway-$(VERSION).tar.gz HEAD

# Only build/lab/state says what `make lab` has made and has to remove: the engine, the swarm, the stack.
clean:
	@[ ! -e build/lab/state ] || { echo "make clean: there is a lab on this machine (build/lab/state): make lab-down first" >&2; exit 1; }
	rm -rf build
