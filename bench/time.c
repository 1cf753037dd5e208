/*
 * Times commands against each other: time RUNS N RESET... [N COMMAND...]...
 *
 * N is the number of words that follow. The commands are started in turn, RUNS + 2 times each, by a process so
 * small that starting them costs next to nothing (from Bun it costs more than some of what is measured). Before
 * each, untimed, RESET is run (none if its N is 0). Their output goes to /dev/null. A line for each but the first
 * two runs: the nanoseconds that each command took. The first command that fails ends everything.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define WARM_UP 2
#define MOST 64

extern char **environ;

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static long long run(char **words, const posix_spawn_file_actions_t *actions) {
  long long start = now();
  pid_t pid;
  int status;
  if ((errno = posix_spawnp(&pid, words[0], actions, NULL, words, environ))) err(1, "%s", words[0]);
  if (waitpid(pid, &status, 0) < 0) err(1, "waitpid");
  if (status) errx(1, "%s %s: status 0x%x", words[0], words[1] ? words[1] : "", (unsigned)status);
  return now() - start;
}

int main(int argc, char **argv) {
  if (argc < 3) errx(1, "usage: time RUNS N RESET... [N COMMAND...]...");
  long runs = strtol(argv[1], NULL, 10);
  char **commands[MOST];
  int count = 0;
  /* The word with a command's number becomes the end of the one before. */
  for (int at = 2; at < argc && count < MOST;) {
    long words = strtol(argv[at], NULL, 10);
    argv[at] = NULL;
    commands[count++] = argv + at + 1;
    at += words + 1;
    if (at > argc) errx(1, "fewer words than announced");
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  for (long turn = -WARM_UP; turn < runs; turn++) {
    for (int i = 1; i < count; i++) {
      if (commands[0][0]) run(commands[0], &actions);
      long long taken = run(commands[i], &actions);
      if (turn >= 0) printf("%lld%c", taken, i + 1 < count ? ' ' : '\n');
    }
  }
  return 0;
}
