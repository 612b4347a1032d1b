/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that check themselves, run and checked through /dev/kvm while the host
 * disturbs them: for as long as it takes.
 *
 * Each guest is one thread with one virtual machine and one vCPU, and runs the
 * code of soak-guest.S. The order of its exits is fixed, and so is what every
 * exit brings: port or address, data, all general registers and the flags,
 * segments and control registers. A thread also loads its own registers and
 * FPU with patterns before each KVM_RUN and compares all of them afterwards.
 *
 * Meanwhile other threads move the guests from one CPU to another, interrupt
 * them, write-protect their memory, and shoot down translations of this
 * process; and other processes change CR4 and load the FPU on all CPUs.
 *
 * It ends only when something is wrong. Results are lines of
 * "word key=value ..." on standard output.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../nested/kvm-exits.h"
#include "soak-run.h"

#define MAX_GUESTS      64
#define REPORT_EVERY    500000  /* microseconds */
#define STALLED_REPORTS 60      /* without an exit; then the guest is shaken */
#define LOST_REPORTS    80      /* and then given up */
#define SPIN_TURNS      20000
#define WINDOW_EVERY    3       /* rounds */
#define DISTURBER_LOADS 300     /* of the FPU in a row */

#define CR0_GUEST 0x80010033    /* PG, WP, NE, ET, MP, PE */
/* OSXMMEXCPT, OSFXSR, PAE; and MCE, which KVM sets if the host has it set. */
#define CR4_GUEST 0x660
#define CR4_OSXSAVE (1u << 18)
#define EFER_GUEST 0xd01        /* NXE, LMA, LME, SCE */
#define RFLAGS_RF (1u << 16)
#define USER_DS   0x2b          /* Linux's selectors in user mode */
#define USER_CS   0x33

/* In the order of HostState. */
static const char *const host_names[] = {
    "rbx", "rbp", "rsi", "rdx", "r8", "r9", "r10", "r12", "r13", "r14", "r15",
    "rflags", "rdi", "what is at fs:0", "what is at gs:0", "ds", "es", "ss",
    "cs",
};

static const char *const register_names[] = {
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9", "r10",
    "r11", "r12", "r13", "r14", "r15", "rflags",
};
static const char *const system_names[] = {
    "cr0", "cr2", "cr3", "cr4", "dr0", "dr1", "dr2", "dr3", "dr6", "dr7",
    "es", "cs", "ss", "ds", "fs", "gs", "tr", "ldtr", "gdtr.base",
    "gdtr.limit", "idtr.base", "idtr.limit", "what is at fs:0",
    "what is at gs:0", "what the CR3 maps", "efer", "fs.base", "gs.base",
    "kernel_gs_base", "star", "lstar", "cstar", "sfmask", "sysenter_cs",
    "sysenter_esp", "sysenter_eip",
};
static const char *const step_names[] = {
    "start", "OUT of a byte", "OUT of four bytes", "IN", "MMIO write",
    "MMIO read", "HLT", "CPUID", "PAT", "VMMCALL", "UD2", "MOV to CR3",
    "the spin loop", "the pages of memory", "the system registers",
};
_Static_assert(ARRAY_SIZE(host_names) == H_COUNT, "");
_Static_assert(ARRAY_SIZE(register_names) == REGISTERS, "");
_Static_assert(ARRAY_SIZE(system_names) == S_COUNT, "");
_Static_assert(ARRAY_SIZE(step_names) == STEP_SYSTEM + 1, "");

/* What the instructions that exit to user space take in the code. */
static const uint8_t step_lengths[] = { 0, 2, 2, 2, 8, 8, 1 };

/*
 * What goes wrong on purpose in a guest, in the round with the number
 * fault_round, so that a test sees it noticed.
 */
static const char *const fault_names[] = {
    "exit", "stall", "register", "fpu", "memory", "system", "interrupt", "host",
};
typedef enum Fault {
    FAULT_EXIT,         /* another port */
    FAULT_STALL,        /* no exit any more */
    FAULT_REGISTER,     /* R9 changes while the guest is out */
    FAULT_FPU,          /* so does XMM3 */
    FAULT_MEMORY,       /* a bit flips */
    FAULT_SYSTEM,       /* LSTAR changes */
    FAULT_INTERRUPT,    /* none comes after HLT */
    FAULT_HOST,         /* KVM_RUN changes RBX of the host */
    FAULT_NONE,
} Fault;
_Static_assert(ARRAY_SIZE(fault_names) == FAULT_NONE, "");

typedef struct Guest {
    HostState due, seen;    /* the thread's own registers */
    unsigned number;
    pthread_t thread;
    _Atomic pid_t tid;
    Fault fault;
    unsigned long fault_round;
    int vm;
    int vcpu;
    struct kvm_run *run;
    uint8_t *memory;
    struct kvm_sregs sregs; /* what has to stay */
    uint64_t cookie;
    uint64_t gs_page;       /* of the thread */
    uint64_t patterns[REGISTERS];
    uint64_t round;
    unsigned step;          /* the exit that is due */
    bool window_is_due;
    uint64_t injected;
    atomic_bool stalled;
    atomic_bool finished;
    atomic_bool failed;
    atomic_ulong rounds;
    atomic_ulong exits;         /* that were as expected */
    atomic_ulong interrupted;   /* by a signal */
    atomic_ulong moves;         /* to another CPU */
} Guest;

static unsigned guest_count = 4;
static int kvm;
static int run_size;
static bool has_xsave;
static int cpus;
static Guest guests[MAX_GUESTS];
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void die(const char *what)
{
    pthread_mutex_lock(&output);
    printf("error what=\"%s\" errno=\"%s\"\n", what, strerror(errno));
    fflush(stdout);
    _exit(2);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * MULTIPLIER + 1;
    return *state >> 33;
}

static uint64_t *field(Guest *guest, uint64_t address)
{
    return (uint64_t *)(guest->memory + address);
}

/* Print why a guest failed; only in the guest's thread, which then ends. */
static void __attribute__((format(printf, 2, 3)))
wrong(Guest *guest, const char *why, ...)
{
    struct kvm_regs r = {};
    va_list arguments;
    uint64_t step = *field(guest, STEP);

    if (atomic_exchange(&guest->failed, true)) {
        return;
    }
    ioctl(guest->vcpu, KVM_GET_REGS, &r);
    pthread_mutex_lock(&output);
    printf("wrong guest=%u round=%" PRIu64 " step=\"%s\" rip=0x%llx cpu=%d "
           "why=\"", guest->number, *field(guest, ROUND),
           step < ARRAY_SIZE(step_names) ? step_names[step] : "?", r.rip,
           sched_getcpu());
    va_start(arguments, why);
    vprintf(why, arguments);
    va_end(arguments);
    printf("\"\n");
    fflush(stdout);
    pthread_mutex_unlock(&output);
}

/* Making a guest */

static void create(Guest *guest)
{
    struct kvm_userspace_memory_region region = {
        .memory_size = GUEST_MEMORY,
    };

    guest->vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (guest->vm < 0) {
        die("KVM_CREATE_VM");
    }
    guest->memory = mmap(NULL, GUEST_MEMORY, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (guest->memory == MAP_FAILED) {
        die("guest memory");
    }
    region.userspace_addr = (uintptr_t)guest->memory;
    if (ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region)) {
        die("KVM_SET_USER_MEMORY_REGION");
    }
    guest->vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, 0);
    if (guest->vcpu < 0) {
        die("KVM_CREATE_VCPU");
    }
    guest->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                      guest->vcpu, 0);
    if (guest->run == MAP_FAILED) {
        die("mapping the vCPU");
    }
    guest->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

static void set_cpuid(Guest *guest)
{
    struct {
        struct kvm_cpuid2 header;
        struct kvm_cpuid_entry2 entries[128];
    } cpuid = { .header.nent = ARRAY_SIZE(cpuid.entries) - 1 };
    const struct kvm_cpuid_entry2 patterns = {
        .function = CPUID_LEAF,
        .eax = guest->cookie,
        .ebx = guest->cookie >> 32,
        .ecx = ~guest->cookie,
        .edx = ~guest->cookie >> 32,
    };
    unsigned count = 0;

    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid)) {
        die("KVM_GET_SUPPORTED_CPUID");
    }
    /* Without KVM's own leaves. */
    for (unsigned i = 0; i < cpuid.header.nent; i++) {
        if (cpuid.entries[i].function >> 28 != 4) {
            cpuid.entries[count++] = cpuid.entries[i];
        }
    }
    cpuid.entries[count++] = patterns;
    cpuid.header.nent = count;
    if (ioctl(guest->vcpu, KVM_SET_CPUID2, &cpuid)) {
        die("KVM_SET_CPUID2");
    }
}

static void fill_page(uint8_t *page, uint64_t value)
{
    for (unsigned i = 0; i < 4096; i += 8) {
        *(uint64_t *)(page + i) = value;
    }
}

static void make_tables(Guest *guest, uint64_t tables, uint64_t window)
{
    *field(guest, tables) = (tables + 0x1000) | 3;
    *field(guest, tables + 0x1000) = (tables + 0x2000) | 3;
    *field(guest, tables + 0x2000) = 0x83;      /* 2 MiB at 0 */
    *field(guest, tables + 0x2008) = (tables + 0x3000) | 3;
    *field(guest, tables + 0x3000) = window | 3;
}

static void set_gate(Guest *guest, unsigned vector, const uint8_t *handler)
{
    uint64_t address = handler - soak_guest + CODE;

    /* A present interrupt gate to selector 8, with the stack IST1. */
    *field(guest, IDT + 16 * vector) = (address & 0xffff) | 8 << 16 |
                                       1ull << 32 | 0x8eull << 40;
}

static void make_memory(Guest *guest)
{
    memcpy(guest->memory + CODE, soak_guest, soak_guest_end - soak_guest);
    make_tables(guest, TABLES_A, WINDOW_A);
    make_tables(guest, TABLES_B, WINDOW_B);
    fill_page(guest->memory + WINDOW_A, guest->cookie ^ 0xa);
    fill_page(guest->memory + WINDOW_B, guest->cookie ^ 0xb);
    fill_page(guest->memory + FS_PAGE, guest->cookie ^ 0xf5);
    fill_page(guest->memory + GS_PAGE_A, guest->cookie ^ 0xa5);
    fill_page(guest->memory + GS_PAGE_B, guest->cookie ^ 0xb5);
    *field(guest, GDT + 0x08) = 0x00af9b000000ffff;
    *field(guest, GDT + 0x10) = 0x00cf93000000ffff;
    *field(guest, TSS + 0x24) = IST1;
    set_gate(guest, 6, soak_guest_undefined);
    set_gate(guest, INTERRUPT_VECTOR, soak_guest_interrupt);
    *field(guest, COOKIE) = guest->cookie;
    *field(guest, USES_XSAVE) = has_xsave;
    *field(guest, SPIN) = SPIN_TURNS;
    for (unsigned i = 0; i < REGISTERS; i++) {
        guest->patterns[i] = guest->cookie * (2 * i + 1);
        *field(guest, PATTERNS + 8 * i) = guest->patterns[i];
    }
}

/* The parts of an XSAVE area that keep their patterns. */
static void fill_fpu(uint8_t *area, unsigned number)
{
    uint64_t *words = (uint64_t *)area;

    /* FCW: rounding; FSW: top of stack; all registers in use */
    words[0] = 0x037f | (number % 4) << 10 |
               (uint64_t)(number % 8) << 27 | 0xffull << 32;
    *(uint32_t *)(area + FPU_MXCSR) = 0x1f80 | (number / 4 + number) % 4 << 13;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t *st = (uint64_t *)(area + FPU_ST + 16 * i);

        st[0] = (GOLDEN * (8 * number + i + 1)) | 1ull << 63;
        st[1] = 0x3fff + 8 * number + i;
    }
    words[64] = 7;          /* XSTATE_BV */
}

/* The other parts. */
static void change_fpu(uint8_t *area, uint64_t *state)
{
    for (unsigned i = FPU_XMM; i < FPU_YMM_END; i += 8) {
        if (i < FPU_XMM_END || i >= FPU_YMM) {
            *state = *state * MULTIPLIER + 1;
            *(uint64_t *)(area + i) = *state;
        }
    }
}

static void set_msrs(Guest *guest)
{
    const uint64_t *due = field(guest, SYSTEM_DUE);
    struct {
        struct kvm_msrs header;
        struct kvm_msr_entry entries[8];
    } msrs = {
        .entries = {
            { .index = 0xc0000102, .data = due[S_KERNEL_GS_BASE] },
            { .index = 0xc0000081, .data = due[S_STAR] },
            { .index = 0xc0000082, .data = due[S_LSTAR] },
            { .index = 0xc0000083, .data = due[S_CSTAR] },
            { .index = 0xc0000084, .data = due[S_SFMASK] },
            { .index = 0x174, .data = due[S_SYSENTER_CS] },
            { .index = 0x175, .data = due[S_SYSENTER_ESP] },
            { .index = 0x176, .data = due[S_SYSENTER_EIP] },
        },
    };

    msrs.header.nmsrs = ARRAY_SIZE(msrs.entries);
    if (ioctl(guest->vcpu, KVM_SET_MSRS, &msrs) != ARRAY_SIZE(msrs.entries)) {
        die("KVM_SET_MSRS");
    }
}

static void set_registers(Guest *guest)
{
    const struct kvm_segment code = {
        .limit = 0xffffffff, .selector = 0x08, .type = 0xb, .present = 1,
        .s = 1, .l = 1, .g = 1,
    };
    const struct kvm_segment data = {
        .limit = 0xffffffff, .selector = 0x10, .type = 0x3, .present = 1,
        .s = 1, .db = 1, .g = 1,
    };
    const struct kvm_segment task = {
        .base = TSS, .limit = 0x67, .selector = 0x18, .type = 0xb,
        .present = 1,
    };
    const struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
    struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 7 };
    struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
    struct kvm_sregs *s = &guest->sregs;
    uint64_t *due = field(guest, SYSTEM_DUE);

    if (ioctl(guest->vcpu, KVM_GET_SREGS, s)) {
        die("KVM_GET_SREGS");
    }
    s->cs = code;
    s->ds = s->es = s->fs = s->gs = s->ss = data;
    s->fs.base = FS_PAGE;
    s->gs.base = GS_PAGE_A;
    s->tr = task;
    s->gdt.base = GDT;
    s->gdt.limit = 0x7f + 16 * guest->number;
    s->idt.base = IDT;
    s->idt.limit = 0xfff - 16 * guest->number;
    s->cr0 = CR0_GUEST;
    s->cr2 = guest->cookie;
    s->cr3 = TABLES_A;
    s->cr4 = CR4_GUEST | (has_xsave ? CR4_OSXSAVE : 0);
    s->efer = EFER_GUEST;
    if (ioctl(guest->vcpu, KVM_SET_SREGS, s) ||
        ioctl(guest->vcpu, KVM_SET_REGS, &regs) ||
        (has_xsave && ioctl(guest->vcpu, KVM_SET_XCRS, &xcrs))) {
        die("setting registers");
    }
    for (unsigned i = 0; i < 4; i++) {
        debug.db[i] = guest->cookie >> 8 << i;
        due[S_DR0 + i] = debug.db[i];
    }
    if (ioctl(guest->vcpu, KVM_SET_DEBUGREGS, &debug)) {
        die("KVM_SET_DEBUGREGS");
    }
    due[S_DR6] = debug.dr6;
    due[S_DR7] = debug.dr7;
    due[S_CR0] = s->cr0;
    due[S_CR2] = s->cr2;
    due[S_CR4] = s->cr4;
    due[S_ES] = due[S_SS] = due[S_DS] = due[S_FS] = due[S_GS] = 0x10;
    due[S_CS] = 0x08;
    due[S_TR] = task.selector;
    due[S_LDTR] = s->ldt.selector;
    due[S_GDT_BASE] = s->gdt.base;
    due[S_GDT_LIMIT] = s->gdt.limit;
    due[S_IDT_BASE] = s->idt.base;
    due[S_IDT_LIMIT] = s->idt.limit;
    due[S_FS_PAGE] = *field(guest, FS_PAGE);
    due[S_EFER] = s->efer;
    due[S_FS_BASE] = FS_PAGE;
    due[S_GS_BASE] = GS_PAGE_A;
    due[S_KERNEL_GS_BASE] = GS_PAGE_B;
    due[S_STAR] = guest->cookie << 32;
    due[S_LSTAR] = 0xffff800000000000 | guest->cookie >> 20;
    due[S_CSTAR] = 0xffff900000000000 | guest->cookie >> 21;
    due[S_SFMASK] = guest->cookie & 0xffff;
    due[S_SYSENTER_CS] = guest->cookie >> 8 & 0xfffc;
    due[S_SYSENTER_ESP] = guest->cookie >> 33;
    due[S_SYSENTER_EIP] = guest->cookie >> 34;
    set_msrs(guest);
    /* As KVM shows them, which is what they have to be from now on. */
    if (ioctl(guest->vcpu, KVM_GET_SREGS, s)) {
        die("KVM_GET_SREGS");
    }
}

/* Checking */

/* The first difference between two XSAVE areas; -1 if there is none. */
static int compare_fpu(const uint8_t *seen, const uint8_t *due)
{
    unsigned end = has_xsave ? FPU_YMM_END : FPU_XMM_END;

    if (memcmp(seen, due, FPU_TAG_END)) {
        return 0;
    }
    if (memcmp(seen + FPU_MXCSR, due + FPU_MXCSR, 4)) {
        return FPU_MXCSR;
    }
    for (unsigned i = FPU_ST; i < end; i += 8) {
        if (i == FPU_XMM_END) {
            i = FPU_YMM;
        }
        if (memcmp(seen + i, due + i, 8)) {
            return i;
        }
    }
    return -1;
}

static void fpu_name(unsigned place, char *text, size_t size)
{
    if (place >= FPU_XMM) {
        bool is_ymm = place >= FPU_YMM;
        unsigned offset = place - (is_ymm ? FPU_YMM : FPU_XMM);

        snprintf(text, size, "%smm%u, bits from %u", is_ymm ? "y" : "x",
                 offset / 16, offset % 16 * 8 + is_ymm * 128);
    } else if (place >= FPU_ST) {
        snprintf(text, size, "st(%u), bits from %u", (place - FPU_ST) / 16,
                 place % 16 * 8);
    } else {
        snprintf(text, size, place == FPU_MXCSR ? "mxcsr" :
                 "fpu tag, status and control word");
    }
}

/* What the guest found wrong, by itself. */
static void report_failure(Guest *guest)
{
    uint64_t at = *field(guest, FAILED_AT);
    uint64_t seen = *field(guest, FAILED_SEEN);
    uint64_t due = *field(guest, FAILED_DUE);
    char name[60];

    switch (*field(guest, FAILURE)) {
    case FAILED_INTERRUPT:
        wrong(guest, "the guest saw %" PRIu64 " events where it had seen "
              "%" PRIu64 " before", seen, due);
        return;
    case FAILED_TSC:
        wrong(guest, "the guest's TSC went from 0x%" PRIx64 " back to 0x%"
              PRIx64, due, seen);
        return;
    case FAILED_REGISTER:
        snprintf(name, sizeof(name), "%s",
                 at < REGISTERS ? register_names[at] : "?");
        break;
    case FAILED_FPU:
        fpu_name(at, name, sizeof(name));
        break;
    case FAILED_SYSTEM:
        snprintf(name, sizeof(name), "%s",
                 at < S_COUNT ? system_names[at] : "?");
        break;
    case FAILED_MEMORY:
        snprintf(name, sizeof(name), "memory at 0x%" PRIx64, at);
        break;
    default:
        snprintf(name, sizeof(name), "something");
    }
    wrong(guest, "the guest saw in %s 0x%" PRIx64 " instead of 0x%" PRIx64,
          name, seen, due);
}

/* The thread's own registers, as they came back from KVM_RUN. */
static bool check_host(Guest *guest)
{
    int place = compare_fpu(guest->seen.fpu, guest->due.fpu);

    for (unsigned i = 0; i < H_COUNT; i++) {
        if (guest->seen.registers[i] != guest->due.registers[i]) {
            wrong(guest, "KVM_RUN brought the host 0x%" PRIx64 " in %s instead "
                  "of 0x%" PRIx64, guest->seen.registers[i], host_names[i],
                  guest->due.registers[i]);
            return false;
        }
    }
    if (place >= 0) {
        char name[60];

        fpu_name(place, name, sizeof(name));
        wrong(guest, "KVM_RUN brought the host 0x%" PRIx64 " in %s instead of "
              "0x%" PRIx64, *(uint64_t *)(guest->seen.fpu + place), name,
              *(uint64_t *)(guest->due.fpu + place));
        return false;
    }
    return true;
}

static bool check_registers(Guest *guest)
{
    const struct kvm_regs *r = &guest->run->s.regs.regs;
    const uint64_t seen[] = {
        r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rsp, r->rbp,
        r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15,
        r->rflags & ~(uint64_t)RFLAGS_RF,
    };
    uint64_t rip = soak_guest_steps[guest->step];

    for (unsigned i = 0; i < REGISTERS; i++) {
        uint64_t due = guest->patterns[i];

        if (i == RFLAGS) {
            due = (due & PATTERN_FLAGS) | FIXED_FLAGS;
        }
        if (seen[i] != due) {
            wrong(guest, "the host saw in %s 0x%" PRIx64 " instead of 0x%"
                  PRIx64, register_names[i], seen[i], due);
            return false;
        }
    }
    /* KVM completes some of them when the guest goes on. */
    if (r->rip != rip && r->rip != rip + step_lengths[guest->step]) {
        wrong(guest, "the host saw in rip 0x%llx instead of 0x%" PRIx64,
              r->rip, rip);
        return false;
    }
    return true;
}

static bool check_sregs(Guest *guest)
{
    struct kvm_sregs seen = guest->run->s.regs.sregs;
    struct kvm_sregs due = guest->sregs;
    bool odd = (guest->round - 1) & 1;

    due.cr3 = odd ? TABLES_B : TABLES_A;
    due.gs.base = odd ? GS_PAGE_B : GS_PAGE_A;
    memset(seen.interrupt_bitmap, 0, sizeof(seen.interrupt_bitmap));
    memset(due.interrupt_bitmap, 0, sizeof(due.interrupt_bitmap));
    for (size_t i = 0; i < sizeof(seen); i++) {
        uint8_t was = ((uint8_t *)&seen)[i], had_to = ((uint8_t *)&due)[i];

        if (was != had_to) {
            wrong(guest, "the host saw in byte %zu of struct kvm_sregs 0x%x "
                  "instead of 0x%x", i, was, had_to);
            return false;
        }
    }
    return true;
}

/* The page that the guest wrote at the end of the last round. */
static bool check_memory(Guest *guest)
{
    uint64_t round = guest->round - 1;
    unsigned page = PATTERN + round % PATTERN_PAGES * 4096;

    for (unsigned i = 0; round && i < 4096; i += 8) {
        uint64_t due = round * GOLDEN * (i / 8 + 1) + guest->cookie;

        if (*field(guest, page + i) != due) {
            wrong(guest, "the host saw in memory at 0x%x 0x%" PRIx64
                  " instead of 0x%" PRIx64, page + i, *field(guest, page + i),
                  due);
            return false;
        }
    }
    return true;
}

/* Running */

static bool has_fault(Guest *guest, Fault fault)
{
    return guest->fault == fault && guest->round == guest->fault_round;
}

static void inject_faults(Guest *guest)
{
    struct kvm_regs regs;
    struct kvm_fpu fpu;

    if (has_fault(guest, FAULT_EXIT)) {
        guest->memory[soak_guest_steps[STEP_OUTB] + 1] = 0x77;
    } else if (has_fault(guest, FAULT_STALL)) {
        /* jmp to itself */
        guest->memory[soak_guest_steps[STEP_OUTB]] = 0xeb;
        guest->memory[soak_guest_steps[STEP_OUTB] + 1] = 0xfe;
    } else if (has_fault(guest, FAULT_REGISTER)) {
        ioctl(guest->vcpu, KVM_GET_REGS, &regs);
        regs.r9 ^= 1;
        ioctl(guest->vcpu, KVM_SET_REGS, &regs);
    } else if (has_fault(guest, FAULT_FPU)) {
        ioctl(guest->vcpu, KVM_GET_FPU, &fpu);
        fpu.xmm[3][9] ^= 1;
        ioctl(guest->vcpu, KVM_SET_FPU, &fpu);
    } else if (has_fault(guest, FAULT_MEMORY)) {
        guest->memory[PATTERN + (guest->round & (PATTERN_PAGES - 1)) * 4096 +
                      0x123] ^= 1;
    } else if (has_fault(guest, FAULT_SYSTEM)) {
        uint64_t *lstar = &field(guest, SYSTEM_DUE)[S_LSTAR];

        *lstar ^= 1;
        set_msrs(guest);
        *lstar ^= 1;
    }
}

static bool interrupt(Guest *guest)
{
    const struct kvm_interrupt interrupt = { .irq = INTERRUPT_VECTOR };

    if (!guest->run->ready_for_interrupt_injection ||
        !guest->run->if_flag) {
        wrong(guest, "no interrupt is possible: if_flag %u, "
              "ready_for_interrupt_injection %u", guest->run->if_flag,
              guest->run->ready_for_interrupt_injection);
        return false;
    }
    if (!has_fault(guest, FAULT_INTERRUPT) || guest->step != STEP_HLT) {
        if (ioctl(guest->vcpu, KVM_INTERRUPT, &interrupt)) {
            die("KVM_INTERRUPT");
        }
    }
    guest->injected++;
    guest->run->request_interrupt_window = false;
    guest->window_is_due = false;
    return true;
}

/* What the exit of the step brings; its data is to be found there too. */
static bool is_due(Guest *guest, uint8_t **data)
{
    struct kvm_run *run = guest->run;
    uint64_t rax = guest->patterns[RAX];

    switch (guest->step) {
    case STEP_OUTB:
    case STEP_OUTL:
    case STEP_IN:
        *data = (uint8_t *)run + run->io.data_offset;
        return run->exit_reason == KVM_EXIT_IO && run->io.count == 1 &&
               run->io.direction == (guest->step == STEP_IN ? KVM_EXIT_IO_IN
                                                            : KVM_EXIT_IO_OUT)
               && run->io.port == PORT_OUTB + guest->step - STEP_OUTB &&
               run->io.size == (guest->step == STEP_OUTB ? 1 : 4) &&
               (guest->step == STEP_IN || !memcmp(*data, &rax, run->io.size));
    case STEP_MMIO_WRITE:
    case STEP_MMIO_READ:
        *data = run->mmio.data;
        return run->exit_reason == KVM_EXIT_MMIO && run->mmio.len == 8 &&
               run->mmio.is_write == (guest->step == STEP_MMIO_WRITE) &&
               run->mmio.phys_addr == (guest->step == STEP_MMIO_WRITE ?
                                       DEVICE_OUT : DEVICE_IN) &&
               (guest->step == STEP_MMIO_READ || !memcmp(*data, &rax, 8));
    default:
        *data = NULL;
        return run->exit_reason == KVM_EXIT_HLT;
    }
}

/* That an exit is not the one that was due, and what it is instead. */
static void report_exit(Guest *guest)
{
    const struct kvm_run *run = guest->run;
    bool is_out = run->exit_reason == KVM_EXIT_IO && run->io.size <= 4 &&
                  run->io.direction == KVM_EXIT_IO_OUT;
    bool is_write = run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write;
    char detail[80], written[40] = "";
    uint64_t data = 0;

    describe_exit(run, detail, sizeof(detail));
    if (is_out || is_write) {
        memcpy(&data, is_out ? (uint8_t *)run + run->io.data_offset
                             : run->mmio.data, is_out ? run->io.size : 8);
        snprintf(written, sizeof(written), " data 0x%" PRIx64, data);
    }
    wrong(guest, "KVM_EXIT_%s (%u)%s%s%s instead of the exit of %s with rax 0x%"
          PRIx64, exit_name(run->exit_reason), run->exit_reason,
          *detail ? ": " : "", detail, written, step_names[guest->step],
          guest->patterns[RAX]);
}

static bool check_exit(Guest *guest)
{
    struct kvm_run *run = guest->run;
    uint64_t answer = guest->round * GOLDEN + guest->cookie;
    uint8_t *data;

    if (run->exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN && guest->window_is_due) {
        return interrupt(guest);
    }
    if (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_FAILED &&
        run->io.direction == KVM_EXIT_IO_OUT) {
        report_failure(guest);
        return false;
    }
    if (!is_due(guest, &data)) {
        report_exit(guest);
        return false;
    }
    if (!check_registers(guest) || !check_sregs(guest)) {
        return false;
    }
    switch (guest->step) {
    case STEP_OUTL:
        if (guest->round % WINDOW_EVERY == 0) {
            run->request_interrupt_window = true;
            guest->window_is_due = true;
        }
        break;
    case STEP_IN:
        memcpy(data, &answer, 4);
        break;
    case STEP_MMIO_READ:
        memcpy(data, &answer, 8);
        break;
    case STEP_HLT:
        if (guest->window_is_due) {
            wrong(guest, "no window for an interrupt opened");
            return false;
        }
        if (*field(guest, INTERRUPTS) != guest->injected) {
            wrong(guest, "the guest saw %" PRIu64 " interrupts instead of %"
                  PRIu64, *field(guest, INTERRUPTS), guest->injected);
            return false;
        }
        if (!check_memory(guest) || !interrupt(guest)) {
            return false;
        }
        inject_faults(guest);
        atomic_store(&guest->rounds, guest->round);
        break;
    }
    guest->step = guest->step % STEP_HLT + 1;
    return true;
}

static void next_round(Guest *guest, uint64_t *random)
{
    guest->round++;
    for (unsigned i = 0; i < REGISTERS; i++) {
        guest->patterns[i] = guest->patterns[i] * MULTIPLIER + 1 + 2 * i;
    }
    change_fpu(guest->due.fpu, random);
}

static void *guest_thread(void *opaque)
{
    Guest *guest = opaque;
    uint64_t *due = guest->due.registers;
    uint64_t random = ~guest->cookie;
    unsigned last_step = STEP_HLT;

    guest->gs_page = guest->cookie;
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, &guest->gs_page)) {
        die("ARCH_SET_GS");
    }
    asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(USER_DS));
    asm("mov %%fs:0, %0" : "=r"(due[H_FS_PAGE]));
    due[H_GS_PAGE] = guest->gs_page;
    due[H_DS] = due[H_ES] = due[H_SS] = USER_DS;
    due[H_CS] = USER_CS;
    due[H_RSI] = KVM_RUN;
    due[H_RDX] = 0;
    due[H_RDI] = guest->vcpu;
    /* No guest has these. */
    fill_fpu(guest->due.fpu, 2 * MAX_GUESTS - guest->number);
    guest->step = STEP_OUTB;
    atomic_store(&guest->tid, gettid());

    for (;;) {
        long status;

        if (guest->step == STEP_OUTB && last_step == STEP_HLT) {
            next_round(guest, &random);
        }
        last_step = guest->step;
        for (unsigned i = H_RBX; i <= H_R15; i++) {
            if (i != H_RSI && i != H_RDX) {
                random = random * MULTIPLIER + 1;
                due[i] = random;
            }
        }
        due[H_RFLAGS] = (random & (PATTERN_FLAGS & ~0x400)) | FIXED_FLAGS;
        status = soak_run(guest->vcpu, &guest->due, &guest->seen, has_xsave);
        if (has_fault(guest, FAULT_HOST)) {
            guest->seen.registers[H_RBX] ^= 1;
        }
        if (!check_host(guest)) {
            break;
        }
        if (status == -EINTR) {
            if (atomic_load(&guest->stalled)) {
                wrong(guest, "no exit within %d s",
                      STALLED_REPORTS * REPORT_EVERY / 1000000);
                break;
            }
            guest->interrupted++;
            continue;
        }
        if (status) {
            wrong(guest, "KVM_RUN: %s", strerror(-status));
            break;
        }
        if (!check_exit(guest)) {
            break;
        }
        guest->exits++;
    }
    atomic_store(&guest->finished, true);
    return NULL;
}

/* Disturbing */

/* Move guests to other CPUs, interrupt them, write-protect their memory. */
static void *move_guests(void *opaque)
{
    uint64_t random = 1;

    for (;;) {
        Guest *guest = &guests[next_random(&random) % guest_count];
        cpu_set_t set;

        usleep(1000 + next_random(&random) % 2000);
        CPU_ZERO(&set);
        CPU_SET(next_random(&random) % cpus, &set);
        if (!sched_setaffinity(guest->tid, sizeof(set), &set)) {
            guest->moves++;
        }
        if (next_random(&random) % 8 == 0) {
            pthread_kill(guest->thread, SIGUSR1);
        }
        if (next_random(&random) % 16 == 0) {
            struct kvm_userspace_memory_region region = {
                .memory_size = GUEST_MEMORY,
                .userspace_addr = (uintptr_t)guest->memory,
                .flags = next_random(&random) % 2 ? KVM_MEM_LOG_DIRTY_PAGES : 0,
            };

            if (ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region)) {
                die("KVM_SET_USER_MEMORY_REGION");
            }
        }
    }
    return NULL;
}

/* Make every CPU that runs a thread of ours drop translations. */
static void *change_mappings(void *opaque)
{
    const size_t size = 16 * 4096;

    for (;;) {
        uint8_t *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (pages == MAP_FAILED) {
            die("mmap");
        }
        memset(pages, 0xaa, size);
        mprotect(pages, size, PROT_READ);
        munmap(pages, size);
        usleep(1000);
    }
    return NULL;
}

/*
 * A process that never ends: the kernel changes CR3, and CR4.TSD, when it comes
 * and goes; and it loads the FPU, by which QEMU lets go of IGNNE.
 */
static void disturb(void)
{
    static uint8_t fpu[512] __attribute__((aligned(16)));

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    asm volatile("fxsave %0" : "=m"(fpu));
    for (;;) {
        for (int i = 0; i < DISTURBER_LOADS; i++) {
            asm volatile("fxrstor %0" : : "m"(fpu));
        }
        usleep(500);
    }
}

/* Watching */

static void report_progress(void)
{
    pthread_mutex_lock(&output);
    for (unsigned g = 0; g < guest_count; g++) {
        Guest *guest = &guests[g];

        printf("progress guest=%u rounds=%lu exits=%lu interrupted=%lu "
               "moves=%lu\n", g, guest->rounds, guest->exits,
               guest->interrupted, guest->moves);
    }
    fflush(stdout);
    pthread_mutex_unlock(&output);
}

static bool faults_are_pending(void)
{
    for (unsigned g = 0; g < guest_count; g++) {
        if (guests[g].fault != FAULT_NONE && !atomic_load(&guests[g].failed)) {
            return true;
        }
    }
    return false;
}

/* Returns when a guest has failed. */
static void watch(void)
{
    unsigned long last[MAX_GUESTS] = {};
    unsigned idle[MAX_GUESTS] = {};

    for (;;) {
        usleep(REPORT_EVERY);
        report_progress();
        for (unsigned g = 0; g < guest_count; g++) {
            Guest *guest = &guests[g];

            if (atomic_load(&guest->failed) && !faults_are_pending()) {
                return;
            }
            idle[g] = guest->exits == last[g] ? idle[g] + 1 : 0;
            last[g] = guest->exits;
            if (idle[g] >= STALLED_REPORTS &&
                !atomic_load(&guest->failed)) {
                /* The signal ends KVM_RUN, and the thread reports. */
                atomic_store(&guest->stalled, true);
                pthread_kill(guest->thread, SIGUSR1);
            }
            if (idle[g] >= LOST_REPORTS && !atomic_load(&guest->failed)) {
                pthread_mutex_lock(&output);
                printf("wrong guest=%u round=%lu step=\"%s\" why=\"neither an "
                       "exit nor a signal ends KVM_RUN\"\n", g, guest->rounds,
                       "unknown");
                fflush(stdout);
                pthread_mutex_unlock(&output);
                return;
            }
        }
    }
}

static void interrupt_run(int signal)
{
}

static unsigned long number(const char *text)
{
    unsigned long value;
    char rest;

    if (*text == '-' || sscanf(text, "%lu%c", &value, &rest) != 1) {
        fprintf(stderr, "kvm-soak: not a number: %s\n", text);
        exit(2);
    }
    return value;
}

/* KIND:ROUND, for one guest after the other, separated by commas */
static void parse_faults(char *text)
{
    char *place = NULL;
    unsigned g = 0;

    for (char *kind = strtok_r(text, ",", &place); kind && g < MAX_GUESTS;
         kind = strtok_r(NULL, ",", &place), g++) {
        char *round = strchr(kind, ':');

        if (round) {
            *round++ = 0;
            guests[g].fault_round = number(round);
            for (unsigned i = 0; i < FAULT_NONE; i++) {
                if (!strcmp(fault_names[i], kind)) {
                    guests[g].fault = i;
                }
            }
        }
        if (guests[g].fault == FAULT_NONE) {
            fprintf(stderr, "kvm-soak: unknown fault: %s\n", kind);
            exit(2);
        }
    }
}

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        { "guests", required_argument, NULL, 'g' },
        { "fault", required_argument, NULL, 'f' },
        { "help", no_argument, NULL, 'h' },
        {}
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (option) {
        case 'g':
            guest_count = number(optarg);
            break;
        case 'f':
            parse_faults(optarg);
            break;
        default:
            fprintf(option == 'h' ? stdout : stderr,
                    "usage: kvm-soak [--guests N]\n"
                    "  --guests N   guests at once (4, at most %d)\n"
                    "It runs until something is wrong.\n", MAX_GUESTS);
            exit(option == 'h' ? 0 : 2);
        }
    }
    if (guest_count < 1 || guest_count > MAX_GUESTS) {
        fprintf(stderr, "kvm-soak: out of range, see --help\n");
        exit(2);
    }
}

/* XSAVE with the x87, SSE and AVX parts, in both host and guest. */
static bool find_xsave(void)
{
    uint32_t eax, ebx, ecx, edx;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) {
        return false;
    }
    asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & 7) == 7;
}

int main(int argc, char **argv)
{
    /* No SA_RESTART: the signal has to end KVM_RUN. */
    const struct sigaction action = { .sa_handler = interrupt_run };
    pthread_t thread;

    for (unsigned g = 0; g < MAX_GUESTS; g++) {
        guests[g].fault = FAULT_NONE;
    }
    parse_options(argc, argv);
    cpus = sysconf(_SC_NPROCESSORS_ONLN);
    has_xsave = find_xsave();
    sigaction(SIGUSR1, &action, NULL);
    kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        die("/dev/kvm");
    }
    run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_size < (int)sizeof(struct kvm_run)) {
        die("KVM_GET_VCPU_MMAP_SIZE");
    }
    if (!(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) &
          KVM_SYNC_X86_SREGS)) {
        die("KVM_CAP_SYNC_REGS");
    }
    for (int i = 0; i < cpus; i++) {
        switch (fork()) {
        case -1:
            die("fork");
        case 0:
            disturb();
        }
    }
    for (unsigned g = 0; g < guest_count; g++) {
        Guest *guest = &guests[g];

        guest->number = g;
        guest->cookie = GOLDEN * (g + 1);
        create(guest);
        set_cpuid(guest);
        make_memory(guest);
        fill_fpu(guest->memory + FPU_DUE, g);
        set_registers(guest);
        if (pthread_create(&guest->thread, NULL, guest_thread, guest)) {
            die("pthread_create");
        }
        while (!atomic_load(&guest->tid)) {
            usleep(1000);
        }
    }
    if (pthread_create(&thread, NULL, move_guests, NULL) ||
        pthread_create(&thread, NULL, change_mappings, NULL)) {
        die("pthread_create");
    }
    pthread_mutex_lock(&output);
    printf("soaking guests=%u cpus=%d xsave=%d\n", guest_count, cpus,
           has_xsave);
    fflush(stdout);
    pthread_mutex_unlock(&output);
    watch();
    /* What one guest finds, others often find as well. */
    sleep(1);
    _exit(1);
}
