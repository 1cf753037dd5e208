/*
 * A caller with much to hand on: caller SETTING [ARG]... ";;" COMMAND [ARG]... [";;" COMMAND [ARG]...]...
 *
 * Opens descriptors of all kinds in the current directory (see descriptors()), and for each command forks, makes
 * the settings in the child, in order, and executes the command, by its path. An ARG "hex:DIGITS" stands for
 * these bytes. After each command it prints "status N", as a shell has it, to descriptor 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char *variables[1024];
static int variable_count;

static long must(long result, const char *what)
{
	if (result < 0) {
		fprintf(stderr, "caller: %s: %s\n", what, strerror(errno));
		exit(99);
	}
	return result;
}

/* `made` becomes the descriptor `fd`. */
static void as(int fd, long made, const char *what)
{
	must(made, what);
	if (made != fd) {
		must(dup3(made, fd, fcntl(made, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0), what);
		close(made);
	}
}

static void descriptors(void)
{
	int pair[2];
	must(mkdir("directory", 0755) < 0 && errno != EEXIST ? -1 : 0, "directory");
	as(3, open("file", O_RDWR | O_CREAT, 0600), "file");
	must(ftruncate(3, 100), "ftruncate");
	lseek(3, 5, SEEK_SET);
	as(4, open("directory", O_RDONLY | O_DIRECTORY), "directory");
	as(5, eventfd(7, EFD_NONBLOCK), "eventfd");
	as(9, epoll_create1(0), "epoll");
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), "socketpair");
	as(10, pair[0], "socket");
	as(11, pair[1], "socket");
	must(pipe2(pair, O_NONBLOCK), "pipe");
	as(12, pair[0], "pipe");
	as(13, pair[1], "pipe");
	as(14, open("deleted", O_RDWR | O_CREAT | O_APPEND, 0600), "deleted");
	must(unlink("deleted"), "deleted");
	as(15, open("file", O_PATH), "O_PATH");
	as(16, memfd_create("memory", MFD_ALLOW_SEALING), "memfd");
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	as(17, signalfd(-1, &signals, 0), "signalfd");
	as(18, timerfd_create(CLOCK_MONOTONIC, 0), "timerfd");
	as(19, inotify_init1(0), "inotify");
	must(inotify_add_watch(19, "directory", IN_CREATE), "watch");
	as(20, open("/dev/null", O_WRONLY | O_APPEND), "null");
	as(21, socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	must(bind(21, (struct sockaddr *)&name, sizeof(sa_family_t)), "bind");
	must(listen(21, 1), "listen");
	as(22, syscall(SYS_pidfd_open, getpid(), 0), "pidfd");
	must(fcntl(22, F_SETFD, 0), "pidfd");
	/* Not "file": when it is closed, the process loses its lock. */
	as(23, open("/dev/zero", O_RDONLY | O_CLOEXEC), "close-on-exec");
	as(24, open("/proc/self/ns/uts", O_RDONLY), "namespace");
	as(25, posix_openpt(O_RDWR | O_NOCTTY), "pty");
	as(26, open("/", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC), "root");
	must(fcntl(26, F_SETFD, 0), "root");
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 42 };
	must(epoll_ctl(9, EPOLL_CTL_ADD, 5, &event), "epoll");
	must(epoll_ctl(9, EPOLL_CTL_ADD, 10, &event), "epoll");
	as(250, open("file", O_WRONLY | O_APPEND | O_NONBLOCK), "250");
	must(dup2(3, 1023), "1023");
}

static void signal_action(int number, void (*handler)(int))
{
	struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } action = { .handler = handler };
	must(syscall(SYS_rt_sigaction, number, &action, NULL, 8), "sigaction");
}

static char *from_hexadecimal(const char *digits)
{
	size_t count = strlen(digits) / 2;
	char *bytes = calloc(1, count + 1);
	for (size_t i = 0; i < count; i++) {
		unsigned byte;
		sscanf(digits + 2 * i, "%2x", &byte);
		bytes[i] = byte;
	}
	return bytes;
}

/* Keeps only these capabilities in the permitted, effective and inheritable sets, and raises them as ambient. */
static void keep_capabilities(unsigned long mask)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2];
	for (int i = 0; i < 2; i++)
		sets[i].permitted = sets[i].effective = sets[i].inheritable = mask >> (32 * i);
	must(syscall(SYS_capset, &header, sets), "capset");
	for (int bit = 0; bit < 41; bit++)
		if (mask >> bit & 1)
			must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0), "ambient");
}

static void write_file(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);
	must(write(fd, text, strlen(text)), path);
	close(fd);
}

/* Makes one setting; returns how many arguments it took. */
static int make(const char *setting, char **args)
{
	long number = args[0] ? strtol(args[0], NULL, 0) : 0;
	sigset_t signals;
	sigemptyset(&signals);
	if (!strcmp(setting, "ignore"))
		signal_action(number, SIG_IGN);
	else if (!strcmp(setting, "default"))
		signal_action(number, SIG_DFL);
	else if (!strcmp(setting, "block")) {
		unsigned long mask = 1ul << (number - 1);
		must(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8), "mask");
	} else if (!strcmp(setting, "block-all")) {
		unsigned long mask = ~0ul;
		must(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8), "mask");
		return 0;
	} else if (!strcmp(setting, "pending"))
		must(kill(getpid(), number), "kill");
	else if (!strcmp(setting, "umask"))
		umask(number);
	else if (!strcmp(setting, "limit")) {
		struct rlimit limit;
		must(getrlimit(number, &limit), "limit");
		limit.rlim_cur = strtoul(args[1], NULL, 0);
		if (limit.rlim_max < limit.rlim_cur)
			limit.rlim_max = limit.rlim_cur;
		must(setrlimit(number, &limit), "limit");
		return 2;
	} else if (!strcmp(setting, "nice"))
		must(setpriority(PRIO_PROCESS, 0, number), "nice");
	else if (!strcmp(setting, "scheduler")) {
		struct sched_param none = { 0 };
		must(sched_setscheduler(0, number, &none), "scheduler");
	} else if (!strcmp(setting, "ioprio"))
		must(syscall(SYS_ioprio_set, 1, 0, number), "ioprio");
	else if (!strcmp(setting, "cpu")) {
		cpu_set_t cpus;
		CPU_ZERO(&cpus);
		CPU_SET(number, &cpus);
		must(sched_setaffinity(0, sizeof cpus, &cpus), "affinity");
	} else if (!strcmp(setting, "personality"))
		must(personality(number), "personality");
	else if (!strcmp(setting, "prctl")) {
		must(prctl(number, strtoul(args[1], NULL, 0), 0, 0, 0), "prctl");
		return 2;
	} else if (!strcmp(setting, "alarm"))
		alarm(number);
	else if (!strcmp(setting, "mempolicy"))
		must(syscall(SYS_set_mempolicy, number, NULL, 0), "mempolicy");
	else if (!strcmp(setting, "write")) {
		write_file(args[0], args[1]);
		return 2;
	} else if (!strcmp(setting, "groups")) {
		gid_t groups[] = { number, number + 1, number + 1000 };
		must(setgroups(3, groups), "groups");
	} else if (!strcmp(setting, "user")) {
		must(setresgid(number, number, number), "gid");
		must(setresuid(number, number, number), "uid");
		must(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "dumpable");
	} else if (!strcmp(setting, "drop"))
		must(prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "bounding");
	else if (!strcmp(setting, "keep"))
		keep_capabilities(number);
	else if (!strcmp(setting, "lock")) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		must(fcntl(3, F_SETLK, &lock), "lock");
		return 0;
	} else if (!strcmp(setting, "variable"))
		variables[variable_count++] = from_hexadecimal(args[0]);
	else if (!strcmp(setting, "close"))
		close(number);
	else {
		fprintf(stderr, "caller: no setting %s\n", setting);
		exit(98);
	}
	return 1;
}

static int is_end(const char *word)
{
	return word == NULL || strcmp(word, ";;") == 0;
}

int main(int argc, char **argv)
{
	(void)argc;
	char **settings = argv + 1, **word = settings;
	while (!is_end(*word))
		word++;
	descriptors();
	while (*word) {
		char **command = ++word;
		while (!is_end(*word))
			word++;
		pid_t pid = must(fork(), "fork");
		if (pid == 0) {
			*word = NULL;
			for (char **setting = settings; !is_end(*setting);)
				setting += 1 + make(*setting, setting + 1);
			for (char **arg = command; *arg; arg++)
				if (!strncmp(*arg, "hex:", 4))
					*arg = from_hexadecimal(*arg + 4);
			execve(command[0], command, variables);
			must(-1, command[0]);
		}
		int status;
		must(waitpid(pid, &status, 0), "wait");
		char line[32];
		int count = snprintf(line, sizeof line, "status %d\n",
				     WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		must(write(1, line, count), "write");
	}
	return 0;
}
