/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* The sandbox: see sandbox.h. Linux only: capabilities(7), seccomp(2), landlock(7); a plain fallback at the end.
 * The system call filter is a list of what is refused, not of what is allowed: libc, OpenSSL and name service
 * modules use others with each release, and a mail server that dies of a new libc protects nobody. */
#include "sys/sandbox.h"

#include <errno.h>

#if defined(__linux__) && __has_include(<linux/seccomp.h>) && __has_include(<linux/landlock.h>)

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

/* Of later kernels than some systems' headers. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#define SCOPE_SIGNAL (1ULL << 1)

/* landlock_ruleset_attr as it is since Linux 6.12; older kernels take a shorter one. */
struct ruleset {
	uint64_t fs, net, scoped;
};

#define FILE_CHANGES (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define ALL_CHANGES (FILE_CHANGES | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR \
	| LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO \
	| LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

#ifdef ARCH

/* System calls that no server needs once it runs. */
static const int refused[] = {
	/* other programs, other processes */
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_perf_event_open, SYS_bpf,
	SYS_userfaultfd, SYS_personality, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
#ifdef SYS_pidfd_getfd
	SYS_pidfd_getfd,
#endif
	/* file systems and name spaces */
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_swapon, SYS_swapoff, SYS_quotactl, SYS_acct,
	SYS_open_by_handle_at, SYS_mknodat,
#ifdef SYS_mknod
	SYS_mknod,
#endif
#ifdef SYS_open_tree
	SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
#endif
#ifdef SYS_mount_setattr
	SYS_mount_setattr,
#endif
	/* the kernel and the clock */
	SYS_reboot, SYS_kexec_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_syslog, SYS_settimeofday, SYS_clock_settime,
	SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
	SYS_iopl, SYS_ioperm, SYS_modify_ldt,
#endif
	/* keys */
	SYS_add_key, SYS_request_key, SYS_keyctl,
};

enum { MOST = sizeof refused / sizeof refused[0] * 2 + 60 };

struct program {
	struct sock_filter code[MOST];
	unsigned short n;
};

static void
emit(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	p->code[p->n++] = (struct sock_filter){ code, yes, no, k };
}

static void
load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void
refuse(struct program *p, int e)
{
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)e, 0, 0);
}

/* Loads the lower half of an argument when the call is nr; else skips the n instructions that look at it, and the
 * number_again that follows them. */
static void
argument(struct program *p, int nr, int which, uint8_t n)
{
	size_t at = offsetof(struct seccomp_data, args) + (size_t)which * sizeof(uint64_t);

	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		at += sizeof(uint32_t);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, (uint8_t)(n + 2));
	load(p, at);
}

static void
number_again(struct program *p)
{
	load(p, offsetof(struct seccomp_data, nr));
}

/* Refuses nr when all bits of mask are set in an argument (any, when any is true). */
static void
refuse_bits(struct program *p, int nr, int which, uint32_t mask, bool any)
{
	if (any) {
		argument(p, nr, which, 2);
		emit(p, BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1);
	} else {
		argument(p, nr, which, 3);
		emit(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, mask, 0, 1);
	}
	refuse(p, EPERM);
	number_again(p);
}

static void
build(struct program *p)
{
	static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK }; /* the last for getaddrinfo(3) */
	const uint32_t spaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | 0x02000000;

	p->n = 0;
	load(p, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	refuse(p, EPERM);
	number_again(p);
#ifdef __x86_64__
	emit(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1); /* the x32 set of the same calls */
	refuse(p, EPERM);
#endif
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refused[i], 0, 1);
		refuse(p, EPERM);
	}
#ifdef SYS_clone3
	/* its flags are in memory, out of a filter's sight; libc then uses clone */
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
	refuse(p, ENOSYS);
#endif
	refuse_bits(p, SYS_clone, 0, spaces, true);
	refuse_bits(p, SYS_mmap, 2, PROT_WRITE | PROT_EXEC, false);
	refuse_bits(p, SYS_mprotect, 2, PROT_WRITE | PROT_EXEC, false);
	argument(p, SYS_ioctl, 1, 2);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 0, 1);
	refuse(p, EPERM);
	number_again(p);
	argument(p, SYS_socket, 0, 5);
	for (uint8_t i = 0; i < 4; i++)
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, families[i], (uint8_t)(4 - i), 0);
	refuse(p, EAFNOSUPPORT);
	number_again(p);
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

static int
filter_calls(void)
{
	struct program p;
	struct sock_fprog prog;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		return 0; /* a kernel without it */
	build(&p);
	prog = (struct sock_fprog){ .len = p.n, .filter = p.code };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

#else

static int
filter_calls(void)
{
	return 0;
}

#endif

static int
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	return (int)syscall(SYS_capset, &head, none);
}

/* Adds a rule for path; one that is not there needs none. */
static int
allow(int rules, const char *path, uint64_t what)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = what };
	int r;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	r = (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
	return r;
}

static int
confine_files(const char *const *writable)
{
	struct ruleset set = { .fs = ALL_CHANGES | LANDLOCK_ACCESS_FS_EXECUTE, .scoped = SCOPE_SIGNAL };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t size = abi < 4 ? 8 : abi < 6 ? 16 : sizeof set;
	int rules, r;

	if (abi < 1)
		return 0; /* not in this kernel, or switched off */
	if (abi < 3)
		set.fs &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi < 2)
		return 0; /* could not link a file from one directory into another */
	rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (rules < 0)
		return -1;
	r = allow(rules, "/dev/null", set.fs & FILE_CHANGES);
#ifdef SAN_LOG
	r = r == 0 ? allow(rules, SAN_LOG, set.fs & ALL_CHANGES) : r; /* reports of the sanitizers: mem.c */
#endif
	for (; r == 0 && *writable; writable++)
		r = allow(rules, *writable, set.fs & ALL_CHANGES);
	if (r == 0)
		r = (int)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
	return r;
}

int
sandbox_enter(const char *const *writable)
{
	int r = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || drop_capabilities() < 0)
		r = -1;
	if (writable && confine_files(writable) < 0)
		r = -1;
	/* last: it may refuse what the others need */
	if (filter_calls() < 0)
		r = -1;
	return r;
}

#else

int
sandbox_enter(const char *const *writable)
{
	(void)writable;
	return 0;
}

#endif
