# mtakit: one binary for each folder of cmd/, one library from common/.
include config.mk

O        := build$(if $(SAN),-san)
PROGS    := $(patsubst cmd/%/,%,$(wildcard cmd/*/))
LIBSRC   := $(wildcard common/*/*.c)
LIB      := $O/libcommon.a
UNITS    := $(patsubst t/unit/%.c,%,$(wildcard t/unit/*.c))
FUZZERS  := $(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/*.c))
TLIBSRC  := $(wildcard t/lib/*.c)
FUZZ_SECONDS = 60
JOBS     := $(shell nproc 2>/dev/null || echo 2)
PROVE    = prove -j$(JOBS)

# Libraries that a program needs beyond libc; --as-needed drops what it does not use.
LIBS     = -lssl -lcrypto -ltdb -lcrypt -lresolv
LIBS_mtasend = -lcurl

all: $(PROGS:%=$O/%)

# The places of the installation are compiled in: what was built for others, or with other flags, is built again.
SETTINGS = $(subst ',,$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS))
$O/settings: FORCE
	@mkdir -p $(@D)
	@echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' > $@
.PHONY: FORCE

$O/%.o: %.c $O/settings
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIBSRC:%.c=$O/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

define PROGRAM
$O/$1: $(patsubst %.c,$O/%.o,$(wildcard cmd/$1/*.c)) $(LIB)
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $$(LIBS_$1) $$(LIBS)
endef
$(foreach p,$(PROGS),$(eval $(call PROGRAM,$p)))

$O/t/unit/%: t/unit/%.c $(LIB) t/unit/tap.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -It/unit $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIB) $(LIBS)

# small C helpers of the tests (never installed)
$O/t/%: t/helper/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIB) $(LIBS)
HELPERS  := $(patsubst t/helper/%.c,$O/t/%,$(wildcard t/helper/*.c))

# fuzz targets: all of common/ instrumented once, each target linked with it
FUZZFLAGS = -std=c17 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
build-fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(FUZZFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
build-fuzz/libcommon.a: $(LIBSRC:%.c=build-fuzz/%.o)
	@rm -f $@
	$(AR) rcs $@ $^
build-fuzz/%: t/fuzz/%.c build-fuzz/libcommon.a
	$(CLANG) $(CPPFLAGS) $(FUZZFLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< build-fuzz/libcommon.a $(LIBS)

deps:
	@sh t/deps.sh build test

test-build: all $(UNITS:%=$O/t/unit/%) $(HELPERS)

test: deps
	@$(MAKE) -j$(JOBS) test-build
	@MTA_BUILD=$(CURDIR)/$O $(PROVE) $(T)
T = --exec '' $(UNITS:%=$O/t/unit/%) $(wildcard t/*.t)

test-long:
	@sh t/deps.sh build test dev
	@$(MAKE) -s test
	@MTA_BUILD=$(CURDIR)/$O prove --exec '' $(wildcard t/long/*.t)

demo:
	@sh t/deps.sh build
	@$(MAKE) -j$(JOBS) all
	@MTA_BUILD=$(CURDIR)/$O KEEP=$(KEEP) sh t/demo.sh

bench bench-queue: deps
	@$(MAKE) -j$(JOBS) test-build
	@MTA_BUILD=$(CURDIR)/$O sh t/bench/$@.sh

fuzz:
	@sh t/deps.sh build dev
	@$(MAKE) -j$(JOBS) $(FUZZERS:%=build-fuzz/%)
	@set -e; for f in $(FUZZERS); do mkdir -p build-fuzz/corpus/$$f; echo "== $$f"; \
	  build-fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	    -verbosity=0 -artifact_prefix=build-fuzz/$$f. build-fuzz/corpus/$$f $$(ls -d t/fuzz/corpus/$$f 2>/dev/null); done

lint:
	@sh t/lint.sh $(CLANG) -std=c17 -fsyntax-only $(CPPFLAGS) $(WARN) -Werror

PLACES = O="$O" DESTDIR="$(DESTDIR)" SBINDIR="$(SBINDIR)" BINDIR="$(BINDIR)" MANDIR="$(MANDIR)" DOCDIR="$(DOCDIR)" \
	CONFDIR="$(CONFDIR)" UNITDIR="$(UNITDIR)" COMPATDIR="$(COMPATDIR)"

install: all
	$(PLACES) sh t/install.sh install

uninstall:
	$(PLACES) sh t/install.sh uninstall

clean:
	rm -rf build build-san build-fuzz

-include $(patsubst %.c,$O/%.d,$(LIBSRC) $(wildcard cmd/*/*.c)) $(patsubst %.c,build-fuzz/%.d,$(LIBSRC) $(FUZZERS:%=%.c))
.PHONY: all deps test-build test test-long demo bench bench-queue fuzz lint install uninstall clean
.DELETE_ON_ERROR:
.SECONDARY:
