/*
 * Runs many commands quickly: reads lines from standard input, each the words of a command in hexadecimal, "-" for
 * an empty word. Runs them one after the other, without input, in at most 10 seconds each, and prints for each
 *   STATUS OUTPUT-BYTES ERROR-BYTES
 * and these bytes. The status is as a shell has it, 128 + n after signal n.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *line;
static size_t line_size;

static char *from_hexadecimal(char *digits)
{
	size_t count = strcmp(digits, "-") == 0 ? 0 : strlen(digits) / 2;
	char *bytes = malloc(count + 1);
	for (size_t i = 0; i < count; i++) {
		char pair[3] = { digits[2 * i], digits[2 * i + 1], 0 };
		bytes[i] = strtol(pair, NULL, 16);
	}
	bytes[count] = 0;
	return bytes;
}

static off_t size_of(int file)
{
	struct stat facts;
	return fstat(file, &facts) == 0 ? facts.st_size : 0;
}

/* Exactly `size` bytes: a child that a command has left behind may be writing still. */
static void copy_out(int file, off_t size)
{
	static char buffer[65536];
	off_t done = 0;
	while (done < size) {
		size_t most = size - done < (off_t)sizeof buffer ? (size_t)(size - done) : sizeof buffer;
		ssize_t count = pread(file, buffer, most, done);
		if (count <= 0)
			exit(98);
		fwrite(buffer, 1, count, stdout);
		done += count;
	}
}

int main(void)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (getline(&line, &line_size, stdin) > 0) {
		char *words[64], *rest = line;
		int count = 0;
		for (char *word; count < 63 && (word = strsep(&rest, " \n")) && *word;)
			words[count++] = from_hexadecimal(word);
		words[count] = NULL;
		int output = memfd_create("output", MFD_CLOEXEC), errors = memfd_create("errors", MFD_CLOEXEC);
		pid_t pid = fork();
		if (pid == 0) {
			alarm(10);
			dup2(nothing, 0);
			dup2(output, 1);
			dup2(errors, 2);
			execv(words[0], words);
			_exit(99);
		}
		int status = 0;
		waitpid(pid, &status, 0);
		off_t output_size = size_of(output), errors_size = size_of(errors);
		printf("%d %ld %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		       (long)output_size, (long)errors_size);
		copy_out(output, output_size);
		copy_out(errors, errors_size);
		close(output);
		close(errors);
		for (int i = 0; i < count; i++)
			free(words[i]);
	}
	return 0;
}
