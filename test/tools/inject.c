/*
 * Runs a ctrtool command and makes one system call of its program fail:
 *   inject REPORT PROCESS CALL ERRNO COMMAND [ARG]...
 * Calls are counted from the execveat(2) by which the command becomes its program (a shell may execute it), in
 * each process by itself, until that process executes something else. PROCESS and CALL count from 0; PROCESS -1:
 * nothing fails.
 *
 * As root, all of it happens in a mount namespace of its own.
 *
 * REPORT gets a line for each thing that was seen:
 *   call PROCESS NUMBER            a system call is made
 *   exec PROCESS FILE              a process has executed something else; it is left alone from then on
 *   end STATUS                     the command has ended, 128 + n after signal n
 *   left COUNT                     processes that are still there a second later (they are killed)
 *   mounts                         the mount table is another one than before
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reg.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_PROCESSES 64
#define PATIENCE 4
#define OPTIONS \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)

static struct process {
	pid_t pid;
	long calls;
	int failing; /* the errno that the call it is in is to fail with */
	int alive;
} processes[MOST_PROCESSES];
static int known;
static volatile sig_atomic_t late;

static void fatal(const char *what)
{
	/* A process can be killed at any time, by its parent for one; its end is seen in the next turn. */
	if (errno == ESRCH)
		return;
	perror(what);
	exit(99);
}

static void on_alarm(int signal)
{
	(void)signal;
	late = 1;
}

static struct process *find(pid_t pid)
{
	for (int i = 0; i < known; i++)
		if (processes[i].pid == pid && processes[i].alive)
			return &processes[i];
	return NULL;
}

static struct process *note(pid_t pid)
{
	struct process *process = find(pid);
	if (process)
		return process;
	if (known == MOST_PROCESSES)
		exit(98);
	process = &processes[known++];
	*process = (struct process){ .pid = pid, .alive = 1 };
	return process;
}

/* At the entry: no call is made. */
static void skip_call(pid_t pid)
{
#ifdef __x86_64__
	if (ptrace(PTRACE_POKEUSER, pid, 8 * ORIG_RAX, -1L) != 0)
		fatal("POKEUSER");
#else
	int number = -1;
	struct iovec io = { &number, sizeof number };
	if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &io) != 0)
		fatal("SETREGSET");
#endif
}

/* At the exit. */
static void set_result(pid_t pid, long result)
{
#ifdef __x86_64__
	if (ptrace(PTRACE_POKEUSER, pid, 8 * RAX, result) != 0)
		fatal("POKEUSER");
#else
	struct user_regs_struct registers;
	struct iovec io = { &registers, sizeof registers };
	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) != 0)
		fatal("GETREGSET");
	registers.regs[0] = result;
	if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &io) != 0)
		fatal("SETREGSET");
#endif
}

static char *mount_table(void)
{
	static const size_t most = 1 << 20;
	char *text = calloc(1, most);
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t count;
	while (fd >= 0 && length < most && (count = read(fd, text + length, most - 1 - length)) > 0)
		length += count;
	close(fd);
	return text;
}

/* Whether the system call that `pid` has stopped at is the one to fail; notes it in the report. */
static void at_call(FILE *report, struct process *process, int which, long call, int error)
{
	struct __ptrace_syscall_info info;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, process->pid, sizeof info, &info) <= 0) {
		fatal("GET_SYSCALL_INFO");
		return;
	}
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		fprintf(report, "call %d %llu\n", (int)(process - processes), (unsigned long long)info.entry.nr);
		if (process - processes == which && process->calls == call) {
			skip_call(process->pid);
			process->failing = error;
		}
		process->calls++;
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && process->failing) {
		set_result(process->pid, -process->failing);
		process->failing = 0;
	}
}

static void leave_alone(FILE *report, struct process *process)
{
	char link[64], file[4096] = "";
	snprintf(link, sizeof link, "/proc/%d/exe", process->pid);
	if (readlink(link, file, sizeof file - 1) < 0)
		strcpy(file, "?");
	fprintf(report, "exec %d %s\n", (int)(process - processes), file);
	ptrace(PTRACE_DETACH, process->pid, 0, 0);
	process->alive = 0;
}

/* Whether what `pid` executes is a program that ctrtool has become. */
static int is_program(pid_t pid)
{
	char link[64], file[64] = "";
	snprintf(link, sizeof link, "/proc/%d/exe", pid);
	return readlink(link, file, sizeof file - 1) > 0 && strncmp(file, "/memfd:ctrtool ", 15) == 0;
}

/* Until the command becomes its program: nothing is counted, and its threads are left alone. */
static void await_program(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		exit(97);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	ptrace(PTRACE_CONT, pid, 0, 0);
	for (;;) {
		if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
			exit(96); /* it has ended without becoming a program */
		int executed = status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
		if (executed && is_program(pid))
			return;
		ptrace(PTRACE_CONT, pid, 0, executed || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
	}
}

int main(int argc, char **argv)
{
	if (argc < 6)
		return 95;
	FILE *report = fopen(argv[1], "we");
	if (!report)
		fatal(argv[1]);
	int which = atoi(argv[2]);
	long call = atol(argv[3]);
	int error = atoi(argv[4]);
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		fatal("private mounts");
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid_t command = fork();
	if (command < 0)
		fatal("fork");
	if (command == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		execv(argv[5], argv + 5);
		_exit(94);
	}
	struct sigaction action = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &action, NULL);
	alarm(PATIENCE);
	await_program(command);
	note(command);
	char *before = mount_table();
	ptrace(PTRACE_SETOPTIONS, command, 0, OPTIONS);
	ptrace(PTRACE_SYSCALL, command, 0, 0);
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == ECHILD)
			break;
		if (late) {
			int left = 0;
			while ((pid = waitpid(-1, NULL, __WALL | WNOHANG)) > 0)
				;
			for (int i = 0; i < known; i++)
				left += processes[i].alive;
			fprintf(report, "left %d\n", left ? left : 1);
			fflush(report);
			for (int i = 0; i < known; i++)
				if (processes[i].alive)
					kill(processes[i].pid, SIGKILL);
			break;
		}
		if (pid < 0)
			continue;
		struct process *process = find(pid);
		if (!WIFSTOPPED(status)) {
			if (process)
				process->alive = 0;
			if (pid == command) {
				fprintf(report, "end %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
				alarm(1);
			}
			continue;
		}
		if (!process)
			process = note(pid); /* seen before its parent has told of it */
		int event = status >> 16, signal = WSTOPSIG(status), deliver = 0;
		if (signal == (SIGTRAP | 0x80)) {
			at_call(report, process, which, call, error);
		} else if (event == PTRACE_EVENT_EXEC) {
			leave_alone(report, process);
			continue;
		} else if (event) {
			unsigned long child;
			if (event != PTRACE_EVENT_STOP && ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0)
				note(child);
		} else if (signal != SIGSTOP) {
			deliver = signal;
		}
		ptrace(PTRACE_SYSCALL, pid, 0, deliver);
	}
	char *after = mount_table();
	if (strcmp(before, after) != 0)
		fprintf(report, "mounts\n");
	return fclose(report) == 0 ? 0 : 93;
}
