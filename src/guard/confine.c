/*
 * The guard as a library: what the process gives up before glusterfs's main runs, for all of its life.
 *
 * glusterfs does what its server says: the description of the volume names code, commands, files and sockets. These
 * rules do not know that language. They close whole kinds of what a process can do and a GlusterFS client need not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.h"

#define NOT_CONFINED 71 /* EX_OSERR of sysexits(3) */
#define COUNT(array) (sizeof(array) / sizeof *(array))

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "no number for this architecture yet"
#endif

/* x86-64's second table of system calls, which no program needs, has the same numbers with this bit. */
#define SECOND_TABLE 0x40000000

static const int refused_calls[] = {
    /* Another program: `backticks` in a volume's description are run by sh(1). glusterfs itself runs none. */
    __NR_execve,
    __NR_execveat,
    /* Other processes. */
    __NR_ptrace,
    __NR_process_vm_readv,
    __NR_process_vm_writev,
    __NR_pidfd_getfd,
    /* Another root directory, other namespaces, mounts but its own. */
    __NR_chroot,
    __NR_pivot_root,
    __NR_setns,
    __NR_unshare,
    __NR_open_tree,
    __NR_move_mount,
    __NR_mount_setattr,
    __NR_fsopen,
    __NR_fspick,
    /* The ids that it was started with, or that take_own_group has set. */
    __NR_setuid,
    __NR_setgid,
    __NR_setreuid,
    __NR_setregid,
    __NR_setresuid,
    __NR_setresgid,
    __NR_setfsuid,
    __NR_setfsgid,
    __NR_setgroups,
    /* What CAP_SYS_ADMIN, which a mount takes, would allow beyond that. */
    __NR_bpf,
    __NR_perf_event_open,
};

/* libc and glusterfs do without: clone3 has its flags in memory, io_uring would go round all of these rules. */
static const int missing_calls[] = {__NR_clone3, __NR_io_uring_setup};

/* A server of the network's, and the kernel's answer to which addresses this machine has: getaddrinfo(3) asks it. */
static const int allowed_families[] = {AF_INET, AF_INET6, AF_NETLINK};

#define NEW_NAMESPACES \
  (CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS)

/* The flags of a new mount: no bind, no move, no remount, no propagation. */
#define OWN_MOUNT (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_DIRSYNC | MS_NOATIME)

/*
 * A group that no process has: Kubernetes and useradd(8) give none beyond 2^31. The kernel opens /proc/PID/root, cwd,
 * fd and environ to whoever has the same ids, and capabilities that are no fewer: so those of a container's root that
 * has none. @see ptrace(2) "Ptrace access mode checking"; /proc/PID/status, which glusterfs reads for the groups of
 * whoever asks, is everybody's.
 */
#define OWN_GROUP 4294967293U

static __attribute__((noreturn)) void fail(const char *what) {
  const char *reason = strerror(errno);
  (void)!write(2, "glusterfs: it cannot be guarded: ", 33);
  (void)!write(2, what, strlen(what));
  (void)!write(2, ": ", 2);
  (void)!write(2, reason, strlen(reason));
  (void)!write(2, "\n", 1);
  _exit(NOT_CONFINED);
}

/* The name that ps(1) and the kernel's messages show: that of what was asked for, not of the link that led to it. */
static void take_name(const char *path) {
  const char *slash = strrchr(path, '/');
  (void)prctl(PR_SET_NAME, slash == NULL ? path : slash + 1, 0, 0, 0);
}

/*
 * For a glusterfs that somebody starts by hand. A mount's has another such group already, and no CAP_SETGID to change it
 * (src/mount/filesystems/plain.ts); in a user namespace the group may not exist. Then the other rules hold.
 */
static void take_own_group(void) { (void)syscall(__NR_setfsgid, OWN_GROUP); }

/* To mount, and to call from a port that a server trusts. */
static void keep_two_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  const unsigned int kept = 1U << CAP_SYS_ADMIN | 1U << CAP_NET_BIND_SERVICE;
  if (syscall(__NR_capget, &header, sets) != 0) fail("capget");
  for (size_t index = 0; index < COUNT(sets); index++) {
    sets[index].permitted &= index == 0 ? kept : 0;
    sets[index].effective = sets[index].permitted;
    sets[index].inheritable = 0;
  }
  if (syscall(__NR_capset, &header, sets) != 0) fail("capset");
}

struct program {
  struct sock_filter lines[160];
  unsigned short length;
};

static void add(struct program *program, struct sock_filter line) { program->lines[program->length++] = line; }

static void load(struct program *program, size_t offset) {
  add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned int)offset));
}

static void answer(struct program *program, int error) {
  const unsigned int value = error == 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | (unsigned int)error;
  add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

/* The next `count` lines are for this value alone. */
static void only_for(struct program *program, unsigned int value, unsigned char count) {
  add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count));
}

/* The low half of an argument, which is all that the kernel looks at in these. */
static void load_argument(struct program *program, size_t index) {
  load(program, offsetof(struct seccomp_data, args) + index * sizeof(__u64));
}

static void refuse_bits(struct program *program, int call, size_t argument, unsigned int bits) {
  only_for(program, (unsigned int)call, 4);
  load_argument(program, argument);
  add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
  answer(program, EPERM);
  answer(program, 0);
}

static void allow_families(struct program *program) {
  only_for(program, __NR_socket, 2 * COUNT(allowed_families) + 2);
  load_argument(program, 0);
  for (size_t index = 0; index < COUNT(allowed_families); index++) {
    only_for(program, (unsigned int)allowed_families[index], 1);
    answer(program, 0);
  }
  answer(program, EAFNOSUPPORT);
}

static void write_rules(struct program *program) {
  load(program, offsetof(struct seccomp_data, arch));
  add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
  answer(program, EPERM);
  load(program, offsetof(struct seccomp_data, nr));
  add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SECOND_TABLE, 0, 1));
  answer(program, EPERM);
  for (size_t index = 0; index < COUNT(refused_calls); index++) {
    only_for(program, (unsigned int)refused_calls[index], 1);
    answer(program, EPERM);
  }
  for (size_t index = 0; index < COUNT(missing_calls); index++) {
    only_for(program, (unsigned int)missing_calls[index], 1);
    answer(program, ENOSYS);
  }
  refuse_bits(program, __NR_clone, 0, NEW_NAMESPACES);
  refuse_bits(program, __NR_mount, 3, ~(unsigned int)OWN_MOUNT);
  allow_families(program);
  answer(program, 0);
}

/* Once for the one thread that there is: those to come inherit it. */
static void forbid_calls(void) {
  struct program program = {.length = 0};
  write_rules(&program);
  const struct sock_fprog rules = {.len = program.length, .filter = program.lines};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("PR_SET_NO_NEW_PRIVS");
  /* Without that flag, kernels before 5.16 make all of the process slower. It came with 4.17. */
  if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &rules) == 0) return;
  if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &rules) != 0) fail("seccomp");
}

/*
 * glibc gives a library's constructors what it gives to main, and main gets the same array. Without the mark it is
 * another program of the rootfs, which start-statd has preloaded with this for the sake of interpose.c alone.
 */
__attribute__((constructor)) static void confine(int argc, char **argv) {
  (void)unsetenv("LD_PRELOAD");
  find_real_functions();
  if (argc < 2 || strncmp(argv[1], MARK, sizeof MARK - 1) != 0) return;
  argv[1] += sizeof MARK - 1;
  take_name(argv[0]);
  take_own_group();
  keep_two_capabilities();
  forbid_calls();
}
