/*
 * What a dynamically linked program gets from its loader and what Bun must not do to our caller: functions that
 * take the place of the C library's for Bun alone. scripts/link/relocations.ts names them; a call of Bun's to
 * dlopen goes to bun_dlopen, a call from anywhere else to dlopen itself.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "given.h"
#include "symbols.h"

extern struct given ctrtool_given;

/* The symbols that can be looked up by name: what src/sys/libc.ts declares and what Bun asks for. */
static const struct symbol {
  const char *name;
  void *address;
} symbols[] = {CTRTOOL_SYMBOLS};

static char *failure;
static char no_library[] = "a static executable loads no libraries";
static char no_symbol[] = "not among the symbols of this static executable";

/* bun:ffi and the runtime open the C library to look symbols up in it; there is nothing else to open. */
void *bun_dlopen(const char *path, int flags) {
  (void)flags;
  if (path == NULL || strcmp(path, "libc.so.6") == 0) return (void *)symbols;
  failure = no_library;
  return NULL;
}

void *bun_dlsym(void *library, const char *name) {
  (void)library;
  for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
    if (strcmp(symbols[i].name, name) == 0) return symbols[i].address;
  failure = no_symbol;
  return NULL;
}

/* The message of the last failure, once, as dlerror(3) has it. */
char *bun_dlerror(void) {
  char *last = failure;
  failure = NULL;
  return last;
}

int bun_dlclose(void *library) {
  (void)library;
  return 0;
}

/* Asked for by crash reports: a stripped executable has no names. */
int bun_dladdr(const void *address, Dl_info *info) {
  (void)address;
  (void)info;
  return 0;
}

/*
 * At its start Bun reads a dozen files of /proc and /sys: numbers of processors, memory, cgroups. In a root that
 * somebody else has made they can be anything, a FIFO that nobody writes to as well, where it would wait for ever.
 * It can do without, as it must in an empty root. What we read there ourselves is opened by system call.
 */
static int is_of_kernel(const char *path) {
  return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
}

static int no_such_file(void) {
  errno = ENOENT;
  return -1;
}

int bun_open(const char *path, int flags, unsigned mode) {
  return is_of_kernel(path) ? no_such_file() : open(path, flags, mode);
}

int bun_open64(const char *path, int flags, unsigned mode) { return bun_open(path, flags, mode); }

int bun_openat(int directory, const char *path, int flags, unsigned mode) {
  return is_of_kernel(path) ? no_such_file() : openat(directory, path, flags, mode);
}

FILE *bun_fopen(const char *path, const char *mode) {
  if (!is_of_kernel(path)) return fopen(path, mode);
  no_such_file();
  return NULL;
}

FILE *bun_fopen64(const char *path, const char *mode) { return bun_fopen(path, mode); }

/* The C library would read /sys/devices/system/cpu for these. */
long bun_sysconf(int name) {
  if (name != _SC_NPROCESSORS_ONLN && name != _SC_NPROCESSORS_CONF) return sysconf(name);
  cpu_set_t processors;
  return sched_getaffinity(0, sizeof processors, &processors) == 0 ? CPU_COUNT(&processors) : 1;
}

/*
 * At its start Bun marks every descriptor from 4 up close-on-exec. They are our caller's, for the programs that
 * we execute; those of Bun's own making have the mark from the beginning. Its allocator opens files like this.
 */
long bun_syscall(long number, long a, long b, long c, long d, long e, long f) {
  if (number == SYS_close_range && (c & CLOSE_RANGE_CLOEXEC)) return 0;
#ifdef SYS_open
  if (number == SYS_open && is_of_kernel((const char *)a)) return no_such_file();
#endif
  if (number == SYS_openat && is_of_kernel((const char *)b)) return no_such_file();
  return syscall(number, a, b, c, d, e, f);
}

/*
 * Bun does not start in a directory that has been removed, or lies outside of the root, or whose path is too long.
 * It needs a path, not this one: paths of ours go to the kernel as they are.
 */
char *bun_getcwd(char *buffer, size_t size) {
  char *path = getcwd(buffer, size);
  if (path != NULL || buffer == NULL || size < sizeof "/") return path;
  return strcpy(buffer, "/");
}

static pthread_t main_thread;

/* Before any constructor of Bun's, which could ask for the stack. */
__attribute__((constructor(101))) static void record_main_thread(void) { main_thread = pthread_self(); }

/*
 * The collector scans the stack and wants its bounds. For the main thread the C library reads /proc/self/maps,
 * and aborts the process where there is no /proc. The entry code knows where the stack began.
 */
int bun_pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes) {
  if (!pthread_equal(thread, main_thread)) return pthread_getattr_np(thread, attributes);
  const size_t largest = 8ul << 20; /* of an unlimited stack; the runtime itself uses no more than 5 MiB */
  const size_t page = 4096;
  struct rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) != 0) return errno;
  size_t size = limit.rlim_cur < largest ? limit.rlim_cur : largest;
  char *top = (char *)ctrtool_given.stackTop;
  int result = pthread_attr_init(attributes);
  return result ? result : pthread_attr_setstack(attributes, top - (size & ~(page - 1)), size & ~(page - 1));
}

/*
 * Names of hosts, users, groups and services: the C library would load libraries for them at run time, named by
 * /etc/nsswitch.conf, which in a container is somebody else's file. To this executable no name is known.
 */
int bun_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
  (void)node, (void)service, (void)hints;
  *result = NULL;
  return EAI_FAIL;
}

void bun_freeaddrinfo(struct addrinfo *result) { (void)result; }

int bun_getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **result) {
  (void)name, (void)entry, (void)buffer, (void)size;
  *result = NULL;
  return 0;
}

int bun_getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **result) {
  (void)uid, (void)entry, (void)buffer, (void)size;
  *result = NULL;
  return 0;
}

int bun_getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, struct group **result) {
  (void)name, (void)entry, (void)buffer, (void)size;
  *result = NULL;
  return 0;
}

int bun_initgroups(const char *user, gid_t group) {
  (void)user, (void)group;
  errno = ENOSYS;
  return -1;
}

int bun_getservbyname_r(const char *name, const char *protocol, struct servent *entry, char *buffer, size_t size,
                        struct servent **result) {
  (void)name, (void)protocol, (void)entry, (void)buffer, (void)size;
  *result = NULL;
  return ENOENT;
}

int bun_getservbyport_r(int port, const char *protocol, struct servent *entry, char *buffer, size_t size,
                        struct servent **result) {
  (void)port, (void)protocol, (void)entry, (void)buffer, (void)size;
  *result = NULL;
  return ENOENT;
}

/* Called by the C library's start code; an executable at fixed addresses has nothing to relocate. */
void _dl_relocate_static_pie(void) {}

/* The system call of src/sys/libc.ts, with the error where the result is: one symbol and one call fewer. */
long ctrtool_syscall(long number, long a, long b, long c, long d, long e, long f) {
  long result = syscall(number, a, b, c, d, e, f);
  return result == -1 ? -errno : result;
}
