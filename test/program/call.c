/*
 * Calls assembled code (entry `function`) by C conventions and shows what is left of the caller's registers:
 *   call IMAGE DATA_START ARGUMENT
 * IMAGE is a file with code at 0 and data at DATA_START, which is also where it becomes writable. Prints the
 * result, then the registers that a function must preserve; they held 1, 2, 3, ... before the call.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

long call(void *function, long argument, long *registers);

#if defined __x86_64__
#define REGISTERS 6
__asm__(".globl call\n"
        "call:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdx\n"
        "  mov $1, %ebx; mov $2, %ebp; mov $3, %r12d; mov $4, %r13d; mov $5, %r14d; mov $6, %r15d\n"
        "  mov %rdi, %rax; mov %rsi, %rdi; call *%rax\n"
        "  pop %rdx\n"
        "  mov %rbx, (%rdx); mov %rbp, 8(%rdx); mov %r12, 16(%rdx)\n"
        "  mov %r13, 24(%rdx); mov %r14, 32(%rdx); mov %r15, 40(%rdx)\n"
        "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");
#elif defined __aarch64__
#define REGISTERS 11
__asm__(".globl call\n"
        "call:\n"
        "  stp x29, x30, [sp, #-112]!\n"
        "  stp x19, x20, [sp, #16]; stp x21, x22, [sp, #32]; stp x23, x24, [sp, #48]\n"
        "  stp x25, x26, [sp, #64]; stp x27, x28, [sp, #80]; str x2, [sp, #96]\n"
        "  mov x19, #1; mov x20, #2; mov x21, #3; mov x22, #4; mov x23, #5; mov x24, #6\n"
        "  mov x25, #7; mov x26, #8; mov x27, #9; mov x28, #10; mov x29, #11\n"
        "  mov x9, x0; mov x0, x1; blr x9\n"
        "  ldr x2, [sp, #96]\n"
        "  stp x19, x20, [x2]; stp x21, x22, [x2, #16]; stp x23, x24, [x2, #32]\n"
        "  stp x25, x26, [x2, #48]; stp x27, x28, [x2, #64]; str x29, [x2, #80]\n"
        "  ldp x19, x20, [sp, #16]; ldp x21, x22, [sp, #32]; ldp x23, x24, [sp, #48]\n"
        "  ldp x25, x26, [sp, #64]; ldp x27, x28, [sp, #80]; ldp x29, x30, [sp], #112; ret\n");
#endif

int main(int argc, char **argv)
{
	long registers[REGISTERS];
	struct stat status;
	int fd = argc == 4 ? open(argv[1], O_RDONLY) : -1;
	if (fd < 0 || fstat(fd, &status) != 0)
		return 2;
	size_t start = strtoul(argv[2], NULL, 0);
	char *code = mmap(NULL, status.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (code == MAP_FAILED || mprotect(code + start, status.st_size - start, PROT_READ | PROT_WRITE) != 0)
		return 3;
	printf("%ld\n", call(code, strtol(argv[3], NULL, 0), registers));
	for (int index = 0; index < REGISTERS; index++)
		printf("%ld\n", registers[index]);
	return 0;
}
