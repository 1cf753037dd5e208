/*
 * Writes down everything that execve(2) hands on, as far as a program can find out, to descriptor 1: lines
 * "KEY VALUE", the last one "end". Descriptors are looked at before any is opened.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS 1100

extern char **environ;
static char report[1 << 20];
static size_t length;

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	length += vsnprintf(report + length, sizeof report - length, format, list);
	va_end(list);
}

/* Bytes that are not plain text in hexadecimal, so that one value is one line. */
static void say_bytes(const char *key, int number, const char *bytes)
{
	say("%s.%d ", key, number);
	for (; *bytes; bytes++)
		say(*bytes > ' ' && *bytes < 127 && *bytes != '%' ? "%c" : "%%%02x", (unsigned char)*bytes);
	say("\n");
}

static void say_link(const char *key, const char *path)
{
	char target[4096];
	ssize_t count = readlink(path, target, sizeof target - 1);
	target[count < 0 ? 0 : count] = 0;
	say("%s %s\n", key, count < 0 ? strerror(errno) : target);
}

static const char *content(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t count;
	while (fd >= 0 && (count = read(fd, text + have, sizeof text - 1 - have)) > 0)
		have += count;
	if (fd >= 0)
		close(fd);
	text[have] = 0;
	return text;
}

/* The lines of a file, each with the key in front; blanks become one space. Locks have the pid of their owner. */
static void say_lines(const char *key, const char *path)
{
	const char *text = content(path);
	if (!*text)
		say("%s (empty)\n", key);
	while (*text) {
		size_t count = strcspn(text, "\n");
		int shown = strncmp(text, "lock:", 5) != 0;
		if (shown)
			say("%s ", key);
		for (size_t i = 0; shown && i < count; i++)
			if (text[i] != '\t' && text[i] != ' ')
				say("%c", text[i]);
			else if (i > 0 && text[i - 1] != '\t' && text[i - 1] != ' ')
				say(" ");
		if (shown)
			say("\n");
		text += count + (text[count] == '\n');
	}
}

static void descriptors(void)
{
	char open_ones[DESCRIPTORS];
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		open_ones[fd] = fcntl(fd, F_GETFD) >= 0;
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		if (!open_ones[fd])
			continue;
		struct stat facts = { 0 };
		char key[32], path[64];
		fstat(fd, &facts);
		snprintf(key, sizeof key, "fd.%d", fd);
		say("%s flags %d %o owner %d signal %d\n", key, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL),
		    fcntl(fd, F_GETOWN), fcntl(fd, F_GETSIG));
		say("%s file %lx:%lx %o links %lu\n", key, (long)facts.st_dev, (long)facts.st_ino, facts.st_mode,
		    (long)facts.st_nlink);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		say_link(key, path);
		snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
		say_lines(key, path);
	}
}

static void status(void)
{
	static const char *const keys[] = { "Umask", "State", "TracerPid", "Uid", "Gid", "Groups", "Threads", "SigPnd",
		"ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
		"Seccomp", "Seccomp_filters", "Speculation_Store_Bypass", "SpeculationIndirectBranch", "Cpus_allowed",
		"Mems_allowed", "THP_enabled", "x86_Thread_features", "Kthread" };
	const char *text = content("/proc/self/status");
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		char start[64];
		snprintf(start, sizeof start, "\n%s:\t", keys[i]);
		const char *line = strstr(text, start);
		if (line) {
			line += strlen(start);
			say("status.%s %.*s\n", keys[i], (int)strcspn(line, "\n"), line);
		}
	}
}

static void limits(void)
{
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		struct rlimit limit;
		getrlimit(resource, &limit);
		say("limit.%d %lx %lx\n", resource, (long)limit.rlim_cur, (long)limit.rlim_max);
	}
}

static void process(void)
{
	int value = -1, mode = -1;
	unsigned long nodes[16] = { 0 };
	say("parent %d\n", getppid());
	say("group %d\nsession %d\n", getpgrp(), getsid(0));
	const char *stat = strrchr(content("/proc/self/stat"), ')');
	int terminal = 0, foreground = 0;
	if (stat)
		sscanf(stat, ") %*c %*d %*d %*d %d %d", &terminal, &foreground);
	say("terminal %d %d\n", terminal, foreground);
	errno = 0;
	say("nice %d\n", getpriority(PRIO_PROCESS, 0));
	struct sched_param scheduling = { 0 };
	sched_getparam(0, &scheduling);
	say("scheduler %d %d\n", sched_getscheduler(0), scheduling.sched_priority);
	say("ioprio %ld\n", syscall(SYS_ioprio_get, 1, 0));
	say("personality %x\n", personality(0xffffffff));
	syscall(SYS_get_mempolicy, &mode, nodes, 1024, 0, 0);
	say("mempolicy %d %lx\n", mode, nodes[0]);
	say("keyring %ld\n", syscall(SYS_keyctl, 0, -3, 0));
	static const int direct[] = { PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_TIMING, PR_GET_SECUREBITS,
		PR_GET_TIMERSLACK, PR_MCE_KILL_GET, PR_GET_NO_NEW_PRIVS, PR_GET_THP_DISABLE, PR_GET_IO_FLUSHER, 66, 68 };
	for (size_t i = 0; i < sizeof direct / sizeof direct[0]; i++)
		say("prctl.%d %d\n", direct[i], prctl(direct[i], 0, 0, 0, 0));
	static const int indirect[] = { PR_GET_PDEATHSIG, PR_GET_CHILD_SUBREAPER, PR_GET_TSC };
	for (size_t i = 0; i < sizeof indirect / sizeof indirect[0]; i++) {
		prctl(indirect[i], &value, 0, 0, 0);
		say("prctl.%d %d\n", indirect[i], value);
	}
	for (int i = 0; i < 3; i++)
		say("speculation.%d %d\n", i, prctl(PR_GET_SPECULATION_CTRL, i, 0, 0, 0));
	stack_t stack;
	sigaltstack(NULL, &stack);
	say("sigaltstack %d\n", stack.ss_flags);
	for (int which = 0; which < 3; which++) {
		struct itimerval timer;
		getitimer(which, &timer);
		say("timer.%d %s\n", which, timer.it_value.tv_sec || timer.it_value.tv_usec ? "set" : "off");
	}
	/* The lock of our process, as another one sees it. */
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	volatile int locked = -1;
	if (vfork() == 0) {
		locked = fcntl(3, F_GETLK, &lock) == 0 ? lock.l_type : -1;
		_exit(0);
	}
	say("lock %d\n", locked);
}

static void places(void)
{
	static const char *const links[] = { "cwd", "root", "exe", "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid",
		"ns/pid_for_children", "ns/time", "ns/time_for_children", "ns/user", "ns/uts" };
	static const char *const files[] = { "comm", "oom_score_adj", "coredump_filter", "cgroup", "loginuid", "sessionid",
		"attr/current", "timens_offsets" };
	char path[128];
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		snprintf(path, sizeof path, "/proc/self/%s", links[i]);
		say_link(links[i], path);
	}
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "/proc/self/%s", files[i]);
		say_lines(files[i], path);
	}
	struct stat facts;
	if (stat(".", &facts) == 0)
		say("here %lx:%lx\n", (long)facts.st_dev, (long)facts.st_ino);
}

int main(int argc, char **argv)
{
	descriptors();
	status();
	limits();
	process();
	places();
	say("secure %lu\n", getauxval(AT_SECURE));
	say_bytes("execfn", 0, (const char *)getauxval(AT_EXECFN));
	for (int i = 0; i < argc; i++)
		say_bytes("argument", i, argv[i]);
	for (int i = 0; environ[i]; i++)
		say_bytes("variable", i, environ[i]);
	say("end\n");
	for (size_t done = 0; done < length;) {
		ssize_t count = write(1, report + done, length - done);
		if (count <= 0)
			return 1;
		done += count;
	}
	return 0;
}
