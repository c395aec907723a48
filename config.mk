# config.mk - settings of the build; override any of them on the command line.
VERSION   = 0.1
PREFIX    = /usr/local
SBINDIR   = $(PREFIX)/sbin
BINDIR    = $(PREFIX)/bin
MANDIR    = $(PREFIX)/share/man
DOCDIR    = $(PREFIX)/share/doc/mtakit
CONFDIR   = /etc/mta
UNITDIR   = $(PREFIX)/lib/systemd/system
COMPATDIR = $(PREFIX)/lib/mta/compat
DESTDIR   =

CC        = cc
CLANG     = clang
OPT       = -O2 -g
WARN      = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wconversion
ARCH     := $(shell uname -m)
CET       = $(if $(filter x86_64,$(ARCH)),-fcf-protection=full)
HARDEN    = -fPIE -fstack-protector-strong -fstack-clash-protection $(CET) -D_FORTIFY_SOURCE=3
HARDENLD  = -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed

# SAN=1: AddressSanitizer and UBSan (FORTIFY and ASan do not mix)
ifdef SAN
OPT       = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
HARDEN    = -fPIE
HARDENLD  = -pie -fsanitize=address,undefined
SAN_LOG   =
endif

CFLAGS    = -std=c17 $(OPT) $(WARN) $(HARDEN)
CPPFLAGS  = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -iquote common -DVERSION='"$(VERSION)"' -DCONFDIR='"$(CONFDIR)"' -DLIBEXECDIR='"$(SBINDIR)"'
CPPFLAGS += $(if $(SAN_LOG),-DSAN_LOG='"$(SAN_LOG)"')
LDFLAGS   = $(HARDENLD)
