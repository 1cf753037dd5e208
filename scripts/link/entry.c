/*
 * The first code of the process: it runs before the C library has set up anything (thread-local storage,
 * IFUNCs, the stack protector's canary), so it may call nothing but the kernel. scripts/link/static.ts
 * compiles it so, and refuses the result if it refers to any symbol that is not in this file.
 *
 * It writes down what the process was given, and hands the C library and Bun a stack on which there are no
 * arguments, and no environment but our own: BUN_*, NODE_*, GLIBC_TUNABLES, LD_*, an argv[0] of "bunx" cannot
 * steer what never sees them.
 */
#include <asm/unistd.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "given.h" /* generated from src/sys/given.ts: struct given */

#define EBADF 9
#define RLIMIT_FSIZE 1
#define RLIMIT_DATA 2
#define RLIMIT_STACK 3
#define RLIMIT_NOFILE 7
#define RLIMIT_AS 9
#define SIG_IGN 1
#define SIGNALS 64
#define PAGE 4096ul
#define FAILED 125

/* Where src/sys/given.ts reads it; the linker script pins the section to the address that it reads. */
struct given ctrtool_given __attribute__((section(".ctrtool.given")));

/* Room for the stack that Bun starts on: argc, argv, envp and the auxiliary vector (some 25 pairs). */
#define START_WORDS 512

/* The whole environment that Bun and the C library see. */
static const char *const settings[] = {
    /* No thread that prepares memory for a heap that will never be large: 0.6 ms less for a program of 4 ms. */
    "BUN_JSC_useWarmUpMarkedBlocks=0",
    /* /etc/localtime, somebody else's file in a container, is not opened. Nothing here tells the time. */
    "TZ=:",
};

#ifdef __x86_64__
__asm__(
    ".section .text.start,\"ax\",@progbits\n"
    ".globl _start\n"
    "_start:\n"
    "  xorl %ebp, %ebp\n"
    "  movq %rsp, %rdi\n"
    "  subq $4096, %rsp\n"
    "  movq %rsp, %rsi\n" /* the kernel aligned it to 16, which call wants */
    "  call ctrtool_prepare\n"
    "  movq %rax, %rsp\n"
    "  xorl %edx, %edx\n" /* no function for atexit */
    "  jmp ctrtool_bun_entry\n"
    ".previous\n");

static long kernel(long number, long a, long b, long c, long d, long e) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
__asm__(
    ".section .text.start,\"ax\",@progbits\n"
    ".globl _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  mov x0, sp\n"
    "  sub sp, sp, #4096\n"
    "  mov x1, sp\n"
    "  bl ctrtool_prepare\n"
    "  mov sp, x0\n"
    "  mov x0, #0\n" /* no function for atexit */
    "  mov x30, #0\n"
    "  b ctrtool_bun_entry\n"
    ".previous\n");

static long kernel(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
#endif

static unsigned long length(const char *text) {
  unsigned long count = 0;
  while (text[count]) count++;
  return count;
}

static void __attribute__((noreturn)) fail_with(const char *message) {
  kernel(__NR_write, 2, (long)message, length(message), 0, 0);
  for (;;) kernel(__NR_exit_group, FAILED, 0, 0, 0, 0);
}

/* Ends the process: with a standard descriptor missing, the first file that is opened would take its place. */
static void __attribute__((noreturn)) give_up(void) {
  fail_with("ctrtool: start: standard descriptors: they are closed and cannot be filled\n");
}

/* Bit n-1: signal n is ignored. Asked for each, since only /proc has them in one piece. */
static unsigned long ignored_signals(void) {
  unsigned long ignored = 0;
  for (int signal = 1; signal <= SIGNALS; signal++) {
    unsigned long action[4] = {0};
    long result = kernel(__NR_rt_sigaction, signal, 0, (long)action, 8, 0);
    if (result == 0 && action[0] == SIG_IGN) ignored |= 1ul << (signal - 1);
  }
  return ignored;
}

/* What exec(2) hands on besides descriptors, before the runtime changes it for itself. */
static void record_attributes(struct given *given) {
  given->ignored = ignored_signals();
  kernel(__NR_rt_sigprocmask, 0, 0, (long)&given->blocked, 8, 0);
  unsigned long limit[2] = {0};
  kernel(__NR_prlimit64, 0, RLIMIT_NOFILE, 0, (long)limit, 0);
  given->nofileSoft = limit[0];
  given->nofileHard = limit[1];
  given->umask = kernel(__NR_umask, 077, 0, 0, 0, 0);
  kernel(__NR_umask, given->umask, 0, 0, 0, 0);
}

/* A limit under which the runtime does not start, or crashes: what it should be, and the least that it must be. */
struct need {
  int resource;
  unsigned long enough, least;
  const char *message;
};

#define KIB (1ul << 10)
#define MIB (1ul << 20)
#define GIB (1ul << 30)
#define TOO_LOW(what, least) "ctrtool: start: " what ": the limit is too low, at least " least " is needed\n"

/* In the order of raisedLimits in src/sys/given.ts. */
static const struct need needs[] = {
    {RLIMIT_FSIZE, 64 * MIB, 64 * KIB, TOO_LOW("file size", "64 KiB")},
    {RLIMIT_DATA, 64 * GIB, 6 * GIB, TOO_LOW("data", "6 GiB")},
    {RLIMIT_STACK, 8 * MIB, 512 * KIB, TOO_LOW("stack", "512 KiB")},
    {RLIMIT_AS, 64 * GIB, 6 * GIB, TOO_LOW("address space", "6 GiB")},
};

/* The runtime raises the limit on open files itself, but only after it has opened some. */
#define ENOUGH_FILES 64
#define LEAST_FILES 8

static int set_limit(int resource, unsigned long soft, unsigned long hard) {
  unsigned long limit[2] = {soft, hard};
  return kernel(__NR_prlimit64, 0, resource, (long)limit, 0, 0) == 0;
}

/*
 * Raises the limits that are too low for the runtime, and writes down what they were: a program that is executed
 * gets them back. What is too low even so ends the process, with a line in place of the runtime's crash report.
 */
static void raise_limits(struct given *given) {
  if (given->nofileSoft < ENOUGH_FILES) set_limit(RLIMIT_NOFILE, given->nofileHard, given->nofileHard);
  unsigned long *fields = &given->fileSizeSoft;
  for (unsigned i = 0; i < sizeof needs / sizeof needs[0]; i++) {
    const struct need *need = &needs[i];
    unsigned long *soft = &fields[2 * i], *hard = &fields[2 * i + 1];
    if (kernel(__NR_prlimit64, 0, need->resource, 0, (long)soft, 0) < 0 || *soft >= need->enough) continue;
    given->raised |= 1ul << i;
    if (*hard >= need->enough && set_limit(need->resource, need->enough, *hard)) continue;
    if (set_limit(need->resource, need->enough, need->enough)) continue; /* with CAP_SYS_RESOURCE */
    set_limit(need->resource, *hard, *hard);
    if (*hard < need->least) fail_with(need->message);
  }
}

static int is_null_device(int directory, const char *path, int flags) {
  struct statx facts;
  long result = kernel(__NR_statx, directory, (long)path, flags, STATX_TYPE, (long)&facts);
  return result == 0 && (facts.stx_mode & S_IFMT) == S_IFCHR && facts.stx_rdev_major == 1 &&
         facts.stx_rdev_minor == 3;
}

/*
 * /dev/null, if it is the real one, on the lowest free descriptor. In a root that somebody else has made it can
 * be a pipe, a terminal or a symbolic link: looked at first, opened so that it cannot block, and looked at again.
 */
static long open_null_device(int access) {
  const char *path = "/dev/null";
  if (!is_null_device(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)) return -1;
  long fd = kernel(__NR_openat, AT_FDCWD, (long)path, access | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0, 0);
  if (fd < 0) return -1;
  if (is_null_device(fd, "", AT_EMPTY_PATH)) {
    kernel(__NR_fcntl, fd, F_SETFL, access, 0, 0);
    return fd;
  }
  kernel(__NR_close, fd, 0, 0, 0, 0);
  return -1;
}

/* One end of a pipe without the other on `fd`, the lowest free descriptor: reading ends, writing fails. */
static void fill_with_pipe(int fd, int access) {
  int ends[2];
  if (kernel(__NR_pipe2, (long)ends, 0, 0, 0, 0) < 0) give_up();
  if (access == O_WRONLY && kernel(__NR_dup3, ends[1], fd, 0, 0, 0) < 0) give_up();
  kernel(__NR_close, ends[1], 0, 0, 0, 0);
}

/* Makes sure that 0, 1 and 2 are open, in the direction of their use, and says which were not: bit n is n. */
static unsigned long fill_standard_descriptors(void) {
  unsigned long filled = 0;
  for (int fd = 0; fd <= 2; fd++) {
    if (kernel(__NR_fcntl, fd, F_GETFD, 0, 0, 0) != -EBADF) continue;
    int access = fd == 0 ? O_RDONLY : O_WRONLY;
    filled |= 1ul << fd;
    if (open_null_device(access) < 0) fill_with_pipe(fd, access);
    if (kernel(__NR_fcntl, fd, F_GETFD, 0, 0, 0) < 0) give_up();
  }
  return filled;
}

/* The end of the strings of a null-terminated vector; they lie one behind the other, as the kernel put them. */
static unsigned long end_of_strings(char **vector, unsigned long count) {
  if (count == 0) return (unsigned long)vector[0];
  const char *last = vector[count - 1];
  return (unsigned long)last + length(last) + 1;
}

static unsigned long count_of(char **vector) {
  unsigned long count = 0;
  while (vector[count]) count++;
  return count;
}

static void record_strings(struct given *given, unsigned long *stack) {
  char **argv = (char **)(stack + 1);
  char **envp = argv + stack[0] + 1;
  given->argc = stack[0];
  given->argv = (unsigned long)argv;
  given->argvStrings = (unsigned long)argv[0];
  given->argvEnd = end_of_strings(argv, stack[0]);
  given->envc = count_of(envp);
  given->envp = (unsigned long)envp;
  given->environmentStrings = (unsigned long)envp[0];
  given->environmentEnd = end_of_strings(envp, given->envc);
}

/* Copies the auxiliary vector, as the C library needs it (program headers, page size, random bytes). */
static unsigned long *copy_auxiliary(unsigned long *to, const unsigned long *end, const unsigned long *from) {
  for (;; from += 2) {
    if (to + 2 > end) give_up();
    *to++ = from[0];
    *to++ = from[1];
    if (from[0] == AT_NULL) return to;
  }
}

/* The end of the stack's mapping: the file name that was executed is the last thing the kernel put there. */
static unsigned long stack_top(const unsigned long *auxiliary, unsigned long fallback) {
  unsigned long last = fallback;
  for (; auxiliary[0] != AT_NULL; auxiliary += 2) {
    if (auxiliary[0] != AT_EXECFN) continue;
    const char *name = (const char *)auxiliary[1];
    last = auxiliary[1] + length(name) + 1;
  }
  return (last + PAGE - 1) & ~(PAGE - 1);
}

/*
 * `stack` is what the kernel made, and stays as it is: programs that we become get its argv and envp.
 * Returns the stack that Bun starts on, built at `start`, START_WORDS long.
 */
unsigned long *ctrtool_prepare(unsigned long *stack, unsigned long *start) {
  struct given *given = &ctrtool_given;
  record_strings(given, stack);
  record_attributes(given);
  raise_limits(given);
  given->filled = fill_standard_descriptors();
  if (given->nofileHard < LEAST_FILES) fail_with(TOO_LOW("open files", "8"));
  const unsigned long *auxiliary = (unsigned long *)given->envp + given->envc + 1;
  given->stackTop = stack_top(auxiliary, given->environmentEnd);
  static char name[] = "ctrtool";
  unsigned long *to = start;
  *to++ = 1;
  *to++ = (unsigned long)name;
  *to++ = 0; /* the end of argv */
  for (unsigned long i = 0; i < sizeof settings / sizeof settings[0]; i++) *to++ = (unsigned long)settings[i];
  *to++ = 0; /* the end of envp */
  copy_auxiliary(to, start + START_WORDS, auxiliary);
  return start;
}
