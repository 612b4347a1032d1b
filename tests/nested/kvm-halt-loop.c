/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that halt in a loop, run and checked through /dev/kvm.
 *
 * Each guest is one thread with one virtual machine and one vCPU, and passes
 * through two loops:
 *
 * - the bare loop: three bytes, "hlt; jmp", in real mode.  Each KVM_RUN is
 *   timed by RDTSCP and has to return KVM_EXIT_HLT.  The guest changes no
 *   register, so a register that a world switch spoils stays spoilt: it is
 *   enough to compare all of them now and then, between the timed calls.
 * - the counting loop: 64-bit mode (on a 32-bit host protected mode with
 *   paging), one register counts up and one down.  Each exit has to be
 *   KVM_EXIT_HLT with every register exactly as expected, so an instruction
 *   lost or run twice is seen at once.  It is not timed.
 *
 * With --meter there is a third between them, the metered loop: the bare loop
 * once more, KVM_RUN and nothing else, while QEMU's svm-meter counts.
 *
 * Under "-icount shift=0" the TSC counts executed instructions, whatever
 * frequency the kernel believes in; the program measures a loop of a known
 * number of instructions and prints that too, so the reader need not believe
 * it.  A sample then is the number of instructions from the first RDTSCP to
 * the second, one of the two included: the whole KVM_RUN call with glibc's
 * ioctl() around it.
 *
 * Results are lines of "word key=value ..." on standard output.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../hw/svm-meter-ports.h"
#include "kvm-exits.h"

/* Guest-physical addresses; the guest's memory starts at 0. */
#define GUEST_MEMORY 0x10000
#define CODE         0x1000
#define PML4         0x2000
#define PDPT         0x3000
#define PAGE_DIR     0x4000

#define MAX_GUESTS        64
#define MAX_SAMPLES       1000000 /* a guest; beyond, every 2nd exit, 3rd ... */
#define REGISTERS_EVERY   256     /* exits between comparisons of registers */
#define STALLED_SECONDS   20
#define METER_LABEL       "halt-loop"
/* Not counted: what KVM does for the first exits of a loop alone. */
#define WARM_UP           100

#define CR0_PE  (1u << 0)
#define CR0_PG  (1u << 31)
#define CR4_PSE (1u << 4)
#define CR4_PAE (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define ARITHMETIC_FLAGS 0x8d5

static const uint8_t bare_code[] = {
    0xf4,             /* 1: hlt */
    0xeb, 0xfd,       /*    jmp 1b */
};
#define HOST_IS_64_BIT (ULONG_MAX > UINT32_MAX)
#if HOST_IS_64_BIT
#define COUNTS_DOWN r15
#define SPOILT r9
static const uint8_t counting_code[] = {
    0x48, 0xff, 0xc0, /* 1: inc %rax */
    0x49, 0xff, 0xcf, /*    dec %r15 */
    0xf4,             /*    hlt */
    0xeb, 0xf7,       /*    jmp 1b */
};
#else
#define COUNTS_DOWN rdi
#define SPOILT rbx
static const uint8_t counting_code[] = {
    0x40,             /* 1: inc %eax */
    0x4f,             /*    dec %edi */
    0xf4,             /*    hlt */
    0xeb, 0xfb,       /*    jmp 1b */
};
#endif
#define OUT_DX_AL 0xee
#define NOP       0x90

/*
 * What goes wrong on purpose in guest 0, at the exit with the number
 * options.fault_at, so that a test sees that it is noticed.
 */
typedef enum Fault {
    FAULT_EXIT = 1, /* the guest leaves the bare loop by OUT */
    FAULT_STALL,    /* the guest leaves the bare loop no more */
    FAULT_REGISTER, /* a register changes in the counting loop */
} Fault;

typedef struct Guest {
    unsigned number;
    pthread_t thread;
    int vcpu;
    struct kvm_run *run;
    uint8_t *memory;
    struct kvm_regs regs;   /* what the guest's registers have to be */
    struct kvm_sregs sregs;
    atomic_ulong bare;      /* exits that were as expected */
    atomic_ulong counted;
    atomic_bool finished;
    bool failed;
    double bare_end;        /* when the bare loop ended */
    uint32_t *samples;
    size_t sample_count;
} Guest;

static struct {
    unsigned long exits;
    unsigned long counted;
    unsigned guests;
    bool meter;
    Fault fault;
    unsigned long fault_at;
} options = {
    .exits = 10000,
    .guests = 1,
};

static int kvm;
static int run_size;
static size_t stride;
static Guest guests[MAX_GUESTS];
static pthread_barrier_t start;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
static uint64_t (*time_stamp)(void);

static void die(const char *what)
{
    printf("error what=\"%s\" errno=\"%s\"\n", what, strerror(errno));
    exit(2);
}

static uint64_t rdtscp(void)
{
    uint32_t low, high, aux;

    asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux) : : "memory");
    return (uint64_t)high << 32 | low;
}

static uint64_t rdtsc(void)
{
    uint32_t low, high;

    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static bool has_rdtscp(void)
{
    uint32_t eax, ebx, ecx, edx;

    return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) &&
           (edx & (1u << 27));
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

/* Print why a guest failed, with its registers; only in the guest's thread. */
static void __attribute__((format(printf, 4, 5)))
wrong(Guest *guest, const char *loop, unsigned long exit_number,
      const char *why, ...)
{
    struct kvm_regs r = {};
    struct kvm_sregs s = {};
    va_list arguments;

    guest->failed = true;
    ioctl(guest->vcpu, KVM_GET_REGS, &r);
    ioctl(guest->vcpu, KVM_GET_SREGS, &s);
    pthread_mutex_lock(&output);
    printf("wrong guest=%u loop=%s exit=%lu why=\"", guest->number, loop,
           exit_number);
    va_start(arguments, why);
    vprintf(why, arguments);
    va_end(arguments);
    printf("\" rip=0x%llx rflags=0x%llx rax=0x%llx rbx=0x%llx rcx=0x%llx "
           "rdx=0x%llx rsi=0x%llx rdi=0x%llx rsp=0x%llx rbp=0x%llx r8=0x%llx "
           "r9=0x%llx r10=0x%llx r11=0x%llx r12=0x%llx r13=0x%llx r14=0x%llx "
           "r15=0x%llx cr0=0x%llx cr3=0x%llx cr4=0x%llx efer=0x%llx "
           "cs=0x%x cs_base=0x%llx\n", r.rip, r.rflags, r.rax, r.rbx, r.rcx,
           r.rdx, r.rsi, r.rdi, r.rsp, r.rbp, r.r8, r.r9, r.r10, r.r11, r.r12,
           r.r13, r.r14, r.r15, s.cr0, s.cr3, s.cr4, s.efer, s.cs.selector,
           s.cs.base);
    fflush(stdout);
    pthread_mutex_unlock(&output);
}

static void create(Guest *guest)
{
    struct kvm_userspace_memory_region region = {
        .memory_size = GUEST_MEMORY,
    };
    struct {
        struct kvm_cpuid2 header;
        struct kvm_cpuid_entry2 entries[128];
    } cpuid = { .header.nent = ARRAY_SIZE(cpuid.entries) };
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);

    if (vm < 0) {
        die("KVM_CREATE_VM");
    }
    guest->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (guest->memory == MAP_FAILED) {
        die("guest memory");
    }
    region.userspace_addr = (uintptr_t)guest->memory;
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region)) {
        die("KVM_SET_USER_MEMORY_REGION");
    }
    guest->vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (guest->vcpu < 0) {
        die("KVM_CREATE_VCPU");
    }
    guest->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                      guest->vcpu, 0);
    if (guest->run == MAP_FAILED) {
        die("mapping the vCPU");
    }
    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) ||
        ioctl(guest->vcpu, KVM_SET_CPUID2, &cpuid)) {
        die("setting CPUID");
    }
    guest->samples = calloc(options.exits / stride + 1, sizeof(uint32_t));
    if (!guest->samples) {
        die("memory for the samples");
    }
}

static void set_registers(Guest *guest)
{
    if (ioctl(guest->vcpu, KVM_SET_REGS, &guest->regs) ||
        ioctl(guest->vcpu, KVM_SET_SREGS, &guest->sregs)) {
        die("setting registers");
    }
    /* As KVM shows them, which is what they have to be from now on. */
    if (ioctl(guest->vcpu, KVM_GET_SREGS, &guest->sregs)) {
        die("KVM_GET_SREGS");
    }
}

/* A value of its own for each register of each guest. */
static void fill_registers(Guest *guest)
{
    uint64_t pattern = 0x9e3779b97f4a7c15 * (guest->number + 1);
    struct kvm_regs *r = &guest->regs;
    unsigned long long *const all[] = {
        &r->rax, &r->rbx, &r->rcx, &r->rdx, &r->rsi, &r->rdi, &r->rsp,
        &r->rbp,
#if HOST_IS_64_BIT
        &r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
#endif
    };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        /* A 32-bit host keeps 32 bits of a register. */
        *all[i] = (unsigned long)(pattern * (2 * i + 1));
    }
    r->rip = CODE;
    r->rflags = 2;
}

static void enter_real_mode(Guest *guest)
{
    if (ioctl(guest->vcpu, KVM_GET_SREGS, &guest->sregs)) {
        die("KVM_GET_SREGS");
    }
    fill_registers(guest);
    guest->sregs.cs.base = 0;
    guest->sregs.cs.selector = 0;
    memcpy(guest->memory + CODE, bare_code, sizeof(bare_code));
    set_registers(guest);
}

/* 64-bit mode where the host can run it, else protected mode with paging. */
static void enter_widest_mode(Guest *guest)
{
    const struct kvm_segment code = {
        .limit = 0xffffffff, .selector = 0x08, .type = 0xb, .present = 1,
        .s = 1, .g = 1,
#if HOST_IS_64_BIT
        .l = 1,
#else
        .db = 1,
#endif
    };
    const struct kvm_segment data = {
        .limit = 0xffffffff, .selector = 0x10, .type = 0x3, .present = 1,
        .s = 1, .db = 1, .g = 1,
    };
    struct kvm_sregs *s = &guest->sregs;
#if HOST_IS_64_BIT
    uint64_t *table = (uint64_t *)guest->memory;

    table[PML4 / 8] = PDPT | 3;
    table[PDPT / 8] = PAGE_DIR | 3;
    table[PAGE_DIR / 8] = 0x83; /* 2 MiB page at 0 */
    s->cr3 = PML4;
    s->cr4 = CR4_PAE;
    s->efer = EFER_LME | EFER_LMA;
#else
    uint32_t *table = (uint32_t *)guest->memory;

    table[PAGE_DIR / 4] = 0x83; /* 4 MiB page at 0 */
    s->cr3 = PAGE_DIR;
    s->cr4 = CR4_PSE;
#endif
    s->cs = code;
    s->ds = s->es = s->fs = s->gs = s->ss = data;
    s->cr0 |= CR0_PE | CR0_PG;
    fill_registers(guest);
    memcpy(guest->memory + CODE, counting_code, sizeof(counting_code));
    set_registers(guest);
}

/* Run the guest and say whether it came back with KVM_EXIT_HLT. */
static bool check_exit(Guest *guest, const char *loop,
                       unsigned long exit_number, int status)
{
    if (status && errno == EINTR) {
        wrong(guest, loop, exit_number, "no exit within %d s", STALLED_SECONDS);
        return false;
    }
    if (status) {
        wrong(guest, loop, exit_number, "KVM_RUN: %s", strerror(errno));
        return false;
    }
    if (guest->run->exit_reason != KVM_EXIT_HLT) {
        char detail[80];

        describe_exit(guest->run, detail, sizeof(detail));
        wrong(guest, loop, exit_number,
              "KVM_EXIT_%s (%u)%s%s instead of KVM_EXIT_HLT",
              exit_name(guest->run->exit_reason), guest->run->exit_reason,
              *detail ? ": " : "", detail);
        return false;
    }
    return true;
}

/* Compare the registers with what they have to be. */
static bool check_registers(Guest *guest, const char *loop,
                            unsigned long exit_number, uint64_t free_flags)
{
    static const struct {
        const char *name;
        size_t offset;
    } names[] = {
#define REGISTER(name) { #name, offsetof(struct kvm_regs, name) }
        REGISTER(rip), REGISTER(rflags),
        REGISTER(rax), REGISTER(rbx), REGISTER(rcx), REGISTER(rdx),
        REGISTER(rsi), REGISTER(rdi), REGISTER(rsp), REGISTER(rbp),
        REGISTER(r8), REGISTER(r9), REGISTER(r10), REGISTER(r11),
        REGISTER(r12), REGISTER(r13), REGISTER(r14), REGISTER(r15),
#undef REGISTER
    };
    struct kvm_regs regs;
    struct kvm_sregs sregs;

    if (ioctl(guest->vcpu, KVM_GET_REGS, &regs) ||
        ioctl(guest->vcpu, KVM_GET_SREGS, &sregs)) {
        die("reading registers");
    }
    regs.rflags &= ~free_flags;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t seen = *(uint64_t *)((char *)&regs + names[i].offset);
        uint64_t due = *(uint64_t *)((char *)&guest->regs + names[i].offset);

        if (seen != due) {
            wrong(guest, loop, exit_number,
                  "%s is 0x%" PRIx64 " instead of 0x%" PRIx64,
                  names[i].name, seen, due);
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(sregs); i++) {
        uint8_t seen = ((uint8_t *)&sregs)[i];
        uint8_t due = ((uint8_t *)&guest->sregs)[i];

        if (seen != due) {
            wrong(guest, loop, exit_number, "byte %zu of struct kvm_sregs is "
                  "0x%x instead of 0x%x", i, seen, due);
            return false;
        }
    }
    return true;
}

static bool has_fault(Guest *guest, unsigned long exit_number, Fault fault)
{
    return options.fault == fault && options.fault_at == exit_number &&
           guest->number == 0;
}

static void spoil_register(Guest *guest)
{
    struct kvm_regs regs;

    if (ioctl(guest->vcpu, KVM_GET_REGS, &regs)) {
        die("KVM_GET_REGS");
    }
    regs.SPOILT ^= 1;
    if (ioctl(guest->vcpu, KVM_SET_REGS, &regs)) {
        die("KVM_SET_REGS");
    }
}

static bool bare_loop(Guest *guest)
{
    enter_real_mode(guest);
    guest->regs.rip = CODE + 1; /* after each exit */
    pthread_barrier_wait(&start);
    for (unsigned long i = 1; i <= options.exits; i++) {
        uint64_t before, after;
        int status;

        if (has_fault(guest, i, FAULT_EXIT)) {
            guest->memory[CODE] = OUT_DX_AL;
        } else if (has_fault(guest, i, FAULT_STALL)) {
            guest->memory[CODE] = NOP;
        }
        before = time_stamp();
        status = ioctl(guest->vcpu, KVM_RUN, 0);
        after = time_stamp();
        if (!check_exit(guest, "bare", i, status)) {
            return false;
        }
        if (i % stride == 0) {
            uint64_t ticks = after - before;

            guest->samples[guest->sample_count++] =
                ticks < UINT32_MAX ? ticks : UINT32_MAX;
        }
        if ((i % REGISTERS_EVERY == 0 || i == 1 || i == options.exits) &&
            !check_registers(guest, "bare", i, 0)) {
            return false;
        }
        atomic_store_explicit(&guest->bare, i, memory_order_relaxed);
    }
    return true;
}

static bool counting_loop(Guest *guest)
{
    enter_widest_mode(guest);
    guest->regs.rip = CODE + sizeof(counting_code) - 2;
    for (unsigned long i = 1; i <= options.counted; i++) {
        if (has_fault(guest, i, FAULT_REGISTER)) {
            spoil_register(guest);
        }
        guest->regs.rax = (unsigned long)(guest->regs.rax + 1);
        guest->regs.COUNTS_DOWN = (unsigned long)(guest->regs.COUNTS_DOWN - 1);
        if (!check_exit(guest, "counting", i,
                        ioctl(guest->vcpu, KVM_RUN, 0)) ||
            !check_registers(guest, "counting", i, ARITHMETIC_FLAGS)) {
            return false;
        }
        atomic_store_explicit(&guest->counted, i, memory_order_relaxed);
    }
    return true;
}

/* A byte to the meter; Linux writes to ports through /dev/port. */
static void write_meter(int ports, off_t port, uint8_t value)
{
    if (pwrite(ports, &value, 1, SVM_METER_DEFAULT_PORT + port) != 1) {
        die("writing to the meter");
    }
}

static int open_meter(void)
{
    int ports = open("/dev/port", O_RDWR | O_CLOEXEC);
    uint32_t signature;

    if (ports < 0) {
        die("/dev/port");
    }
    if (pread(ports, &signature, sizeof(signature), SVM_METER_DEFAULT_PORT +
              SVM_METER_SIGNATURE) != sizeof(signature) ||
        signature != SVM_METER_SIGNATURE_VALUE) {
        errno = ENODEV;
        die("svm-meter");
    }
    for (const char *c = METER_LABEL; *c; c++) {
        write_meter(ports, SVM_METER_LABEL, *c);
    }
    write_meter(ports, SVM_METER_COMMAND, SVM_METER_SELECT);
    return ports;
}

/* Have the calls of a function of L1's kernel counted, if it is there. */
static void watch_function(int ports, const char *wanted)
{
    FILE *symbols = fopen("/proc/kallsyms", "r");
    char name[128];
    uint64_t address;

    while (symbols && fscanf(symbols, "%" SCNx64 " %*c %127s%*[^\n]", &address,
                             name) == 2) {
        if (!strcmp(name, wanted)) {
            for (int i = 0; i < 8; i++) {
                write_meter(ports, SVM_METER_FUNCTION, address >> 8 * i);
            }
            write_meter(ports, SVM_METER_COMMAND, SVM_METER_WATCH);
            break;
        }
    }
    if (symbols) {
        fclose(symbols);
    }
}

static bool metered_loop(Guest *guest)
{
    int ports = open_meter();

    watch_function(ports, "kvm_arch_vcpu_ioctl_run");

    for (unsigned long i = 1; i <= WARM_UP + options.exits; i++) {
        if (i == WARM_UP + 1) {
            write_meter(ports, SVM_METER_COMMAND, SVM_METER_START);
        }
        if (!check_exit(guest, "metered", i, ioctl(guest->vcpu, KVM_RUN, 0))) {
            return false;
        }
    }
    write_meter(ports, SVM_METER_COMMAND, SVM_METER_STOP);
    close(ports);
    printf("metered label=" METER_LABEL " exits=%lu\n", options.exits);
    return check_registers(guest, "metered", options.exits, 0);
}

static void *guest_thread(void *opaque)
{
    Guest *guest = opaque;

    bool right = bare_loop(guest);

    guest->bare_end = seconds();
    if (right && options.meter) {
        right = metered_loop(guest);
    }
    if (right) {
        counting_loop(guest);
    }
    atomic_store(&guest->finished, true);
    return NULL;
}

/*
 * Print progress while there is any, and shake a guest that makes none: the
 * signal ends its KVM_RUN, and the thread reports the guest's registers.
 */
static void watch(void)
{
    unsigned long last[MAX_GUESTS] = {};
    unsigned idle[MAX_GUESTS] = {};
    bool all_finished;

    do {
        unsigned long sum = 0;
        bool advanced = false;

        for (int i = 0; i < 20; i++) {
            usleep(50000);
            all_finished = true;
            for (unsigned g = 0; g < options.guests; g++) {
                all_finished &= atomic_load(&guests[g].finished);
            }
            if (all_finished) {
                return;
            }
        }
        for (unsigned g = 0; g < options.guests; g++) {
            unsigned long now = guests[g].bare + guests[g].counted;

            idle[g] = now == last[g] ? idle[g] + 1 : 0;
            advanced |= now != last[g];
            last[g] = now;
            sum += now;
            if (idle[g] >= STALLED_SECONDS &&
                !atomic_load(&guests[g].finished)) {
                pthread_kill(guests[g].thread, SIGUSR1);
            }
        }
        if (advanced) {
            pthread_mutex_lock(&output);
            printf("progress exits=%lu of=%lu\n", sum,
                   (options.exits + options.counted) * options.guests);
            fflush(stdout);
            pthread_mutex_unlock(&output);
        }
    } while (!all_finished);
}

static void interrupt_run(int signal)
{
}

static int compare_samples(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

/* How many ticks 1001 instructions take; exact when the TSC counts them. */
static void calibrate(void)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < 10; i++) {
        uint64_t empty = time_stamp();
        uint64_t before = time_stamp();
        uint64_t after;
        uint32_t count;

        asm volatile("mov $500, %0; 1: dec %0; jnz 1b"
                     : "=r"(count) : : "memory", "cc");
        after = time_stamp();
        if (after - before - (before - empty) < best) {
            best = after - before - (before - empty);
        }
    }
    printf("calibration instructions=1001 ticks=%" PRIu64 "\n", best);
}

static void print_ticks(void)
{
    size_t total = 0, filled = 0;
    uint32_t *all;

    for (unsigned g = 0; g < options.guests; g++) {
        total += guests[g].sample_count;
    }
    all = malloc(total * sizeof(uint32_t));
    if (!all || !total) {
        return;
    }
    for (unsigned g = 0; g < options.guests; g++) {
        memcpy(all + filled, guests[g].samples,
               guests[g].sample_count * sizeof(uint32_t));
        filled += guests[g].sample_count;
    }
    qsort(all, total, sizeof(uint32_t), compare_samples);
    printf("ticks counter=%s samples=%zu median=%u p10=%u p90=%u min=%u "
           "max=%u\n", time_stamp == rdtscp ? "rdtscp" : "rdtsc", total,
           all[total / 2], all[total / 10], all[total - 1 - total / 10],
           all[0], all[total - 1]);
}

static unsigned long number(const char *text)
{
    unsigned long value;
    char rest;

    if (*text == '-' || sscanf(text, "%lu%c", &value, &rest) != 1) {
        fprintf(stderr, "kvm-halt-loop: not a number: %s\n", text);
        exit(2);
    }
    return value;
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        { "exits", required_argument, NULL, 'e' },
        { "counted", required_argument, NULL, 'c' },
        { "guests", required_argument, NULL, 'g' },
        { "meter", no_argument, NULL, 'm' },
        { "wrong-exit-at", required_argument, NULL, FAULT_EXIT },
        { "stall-at", required_argument, NULL, FAULT_STALL },
        { "wrong-register-at", required_argument, NULL, FAULT_REGISTER },
        { "help", no_argument, NULL, 'h' },
        {}
    };
    bool counted_given = false;
    int option;

    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (option) {
        case 'e':
            options.exits = number(optarg);
            break;
        case 'c':
            options.counted = number(optarg);
            counted_given = true;
            break;
        case 'g':
            options.guests = number(optarg);
            break;
        case 'm':
            options.meter = true;
            break;
        case FAULT_EXIT:
        case FAULT_STALL:
        case FAULT_REGISTER:
            options.fault = option;
            options.fault_at = number(optarg);
            break;
        default:
            fprintf(option == 'h' ? stdout : stderr,
                    "usage: kvm-halt-loop [--exits N] [--counted N] "
                    "[--guests N] [--meter]\n"
                    "  --exits N    timed exits of each guest (10000)\n"
                    "  --counted N  exits with all registers checked "
                    "(a tenth of the above)\n"
                    "  --guests N   guests at once (1, at most %d)\n"
                    "  --meter      let QEMU's svm-meter count as many more "
                    "exits\n",
                    MAX_GUESTS);
            exit(option == 'h' ? 0 : 2);
        }
    }
    if (options.exits < 1 || options.guests < 1 ||
        options.guests > MAX_GUESTS) {
        fprintf(stderr, "kvm-halt-loop: out of range, see --help\n");
        exit(2);
    }
    if (!counted_given) {
        options.counted = (options.exits + 9) / 10;
    }
}

int main(int argc, char **argv)
{
    /* No SA_RESTART: the signal has to end KVM_RUN. */
    const struct sigaction action = { .sa_handler = interrupt_run };
    unsigned long bare = 0, counted = 0;
    bool failed = false;
    double started, bare_end = 0;

    parse_options(argc, argv);
    time_stamp = has_rdtscp() ? rdtscp : rdtsc;
    stride = (options.exits + MAX_SAMPLES - 1) / MAX_SAMPLES;
    sigaction(SIGUSR1, &action, NULL);
    kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        die("/dev/kvm");
    }
    run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size < (int)sizeof(struct kvm_run)) {
        die("KVM_GET_VCPU_MMAP_SIZE");
    }
    calibrate();
    fflush(stdout);
    pthread_barrier_init(&start, NULL, options.guests + 1);
    for (unsigned g = 0; g < options.guests; g++) {
        guests[g].number = g;
        create(&guests[g]);
        if (pthread_create(&guests[g].thread, NULL, guest_thread, &guests[g])) {
            die("pthread_create");
        }
    }
    pthread_barrier_wait(&start);
    started = seconds();
    watch();
    for (unsigned g = 0; g < options.guests; g++) {
        pthread_join(guests[g].thread, NULL);
        bare += guests[g].bare;
        counted += guests[g].counted;
        failed |= guests[g].failed;
        if (guests[g].bare_end > bare_end) {
            bare_end = guests[g].bare_end;
        }
    }
    print_ticks();
    printf("exits guests=%u asked=%lu right=%lu counted_asked=%lu "
           "counted_right=%lu seconds=%.6f\n", options.guests,
           options.exits * options.guests, bare,
           options.counted * options.guests, counted, bare_end - started);
    return failed;
}
