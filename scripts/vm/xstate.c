/*
 * Preloaded into User Mode Linux 6.1. The kernel keeps a guest process's vector registers in a buffer of
 * 2696 bytes (arch/x86/um, FP_SIZE; made dynamic in Linux 6.13). A CPU with AMX has an XSAVE area of some
 * 11000 bytes, and the host's PTRACE_SETREGSET refuses anything but the whole of it: the guest then dies at
 * its first process with "ptrace set fp regs failed, errno = 14".
 *
 * This ptrace(2) stands between the two: the host always gets and gives the whole area, UML sees the first
 * part of it. In the standard XSAVE format that part holds the x87, SSE, AVX and AVX-512 registers; no guest
 * process uses the tile registers beyond. Where UML's buffer is large enough nothing is changed.
 *
 * Built without libc headers, so that the compiler alone is enough.
 */
enum {
	SYS_PTRACE = 101,
	PEEK_FIRST = 1, /* PTRACE_PEEKTEXT, PEEKDATA, PEEKUSER are 1, 2, 3 */
	PEEK_LAST = 3,
	GET_REGSET = 0x4204,
	SET_REGSET = 0x4205,
	XSTATE_NOTE = 0x202, /* NT_X86_XSTATE */
	/* The XSAVE header, Intel SDM volume 1, 13.4.2. */
	XSTATE_BV_OFFSET = 512,
	XCOMP_BV_OFFSET = 520,
	COMPONENTS_IN_PREFIX = 0xff,
};

struct region {
	void *start;
	unsigned long length;
};

extern int *__errno_location(void);

/* UML's tracer is one thread. */
static unsigned char area[1 << 16] __attribute__((aligned(64)));
static unsigned long area_length;

static long syscall_result(long result)
{
	if (result >= 0 || result < -4095)
		return result;
	*__errno_location() = -result;
	return -1;
}

static long host_ptrace(long request, long pid, long address, void *data)
{
	register void *fourth __asm__("r10") = data;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"((long)SYS_PTRACE), "D"(request), "S"(pid), "d"(address), "r"(fourth)
			 : "rcx", "r11", "memory");
	return syscall_result(result);
}

static void copy(void *to, const void *from, unsigned long length)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

static void clear(void *to, unsigned long length)
{
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(0) : "memory");
}

static long read_area(long pid)
{
	struct region whole = { area, sizeof(area) };
	long result = host_ptrace(GET_REGSET, pid, XSTATE_NOTE, &whole);

	if (result >= 0)
		area_length = whole.length;
	return result;
}

static long get_xstate(long pid, struct region *wanted)
{
	long result = read_area(pid);

	if (result < 0)
		return result;
	if (wanted->length > area_length)
		wanted->length = area_length;
	copy(wanted->start, area, wanted->length);
	return result;
}

static long set_xstate(long pid, struct region *given)
{
	struct region whole = { area, 0 };

	if (area_length == 0 && read_area(pid) < 0)
		return -1;
	if (given->length >= area_length)
		return host_ptrace(SET_REGSET, pid, XSTATE_NOTE, given);
	clear(area, area_length);
	copy(area, given->start, given->length);
	/* Components that were cut off are announced as being in their initial state. */
	*(unsigned long *)(area + XSTATE_BV_OFFSET) &= COMPONENTS_IN_PREFIX;
	*(unsigned long *)(area + XCOMP_BV_OFFSET) = 0;
	whole.length = area_length;
	return host_ptrace(SET_REGSET, pid, XSTATE_NOTE, &whole);
}

/* As in glibc, the value peeked at is the result; the system call writes it to where `data` points. */
static long peek(long request, long pid, long address)
{
	long value;

	if (host_ptrace(request, pid, address, &value) < 0)
		return -1;
	*__errno_location() = 0;
	return value;
}

long ptrace(int request, ...)
{
	__builtin_va_list arguments;
	long pid, address;
	void *data;

	__builtin_va_start(arguments, request);
	pid = __builtin_va_arg(arguments, int);
	address = __builtin_va_arg(arguments, long);
	data = __builtin_va_arg(arguments, void *);
	__builtin_va_end(arguments);

	if (request >= PEEK_FIRST && request <= PEEK_LAST)
		return peek(request, pid, address);
	if (request == GET_REGSET && address == XSTATE_NOTE)
		return get_xstate(pid, data);
	if (request == SET_REGSET && address == XSTATE_NOTE)
		return set_xstate(pid, data);
	return host_ptrace(request, pid, address, data);
}
