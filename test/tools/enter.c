/*
 * Executes a program in another root, statically, so that neither loader nor shell sees its environment:
 *   enter ROOT CLOSED [NAME=VALUE]... -- PROGRAM [ARG]...
 * Descriptor n of 0 to 2 is closed if bit n of CLOSED is set.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 5)
		return 99;
	int closed = atoi(argv[2]);
	char **variables = argv + 3, **program = variables;
	while (*program && strcmp(*program, "--") != 0)
		program++;
	if (!*program || chroot(argv[1]) != 0 || chdir("/") != 0) {
		perror(argv[1]);
		return 98;
	}
	*program++ = NULL;
	for (int fd = 0; fd <= 2; fd++)
		if (closed >> fd & 1)
			close(fd);
	execve(program[0], program, variables);
	return 97;
}
