/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest of kvm-soak: 64-bit code that checks its own processor, for ever.
 *
 * A round is a number of steps. Each one loads every general register, the
 * arithmetic flags and the FPU's registers with patterns of this round,
 * executes an instruction that leaves the guest, and compares all of them.
 * Whoever runs the guest knows the patterns too. Then come pages of memory,
 * and the registers of the system.
 *
 * Below it there is the program's own KVM_RUN, see soak-run.h.
 */
#include "soak-guest.h"

    .section .rodata
    .global soak_guest, soak_guest_end
    .global soak_guest_steps, soak_guest_interrupt, soak_guest_undefined

/* Code is linked anywhere and runs at CODE. */
#define AT(label) (label - soak_guest + CODE)

    .macro each_register operation
    \operation RAX, %rax
    \operation RBX, %rbx
    \operation RCX, %rcx
    \operation RDX, %rdx
    \operation RSI, %rsi
    \operation RDI, %rdi
    \operation RSP, %rsp
    \operation RBP, %rbp
    \operation 8, %r8
    \operation 9, %r9
    \operation 10, %r10
    \operation 11, %r11
    \operation 12, %r12
    \operation 13, %r13
    \operation 14, %r14
    \operation 15, %r15
    .endm

    .macro load_register number, register
    movq INPUT + 8 * (\number), \register
    .endm

    .macro store_register number, register
    movq \register, SEEN + 8 * (\number)
    .endm

/* INPUT and DUE are set, but for what prepare_step does. */
    .macro step number, instructions:vararg
    movq $\number, STEP
    call load_fpu
    pushq INPUT + 8 * RFLAGS
    popfq
    each_register load_register
at_\number:
    \instructions
    each_register store_register
    movq $STACK, %rsp
    pushfq
    popq SEEN + 8 * RFLAGS
    cld
    call check
    .endm

    .macro write_and_read_msr
    wrmsr
    movl $0, %eax
    movl $0, %edx
    rdmsr
    .endm

    .macro spin
1:  loop 1b
    .endm

/* RAX = what the host answers in this round. */
    .macro answer
    movabsq $GOLDEN, %rax
    imulq ROUND, %rax
    addq COOKIE, %rax
    .endm

    .macro read_msr number, index
    movl $\number, %ecx
    rdmsr
    shlq $32, %rdx
    orq %rdx, %rax
    movq %rax, SYSTEM_SEEN + 8 * (\index)
    .endm

    .macro seen register, index
    movq \register, %rax
    movq %rax, SYSTEM_SEEN + 8 * (\index)
    .endm

    .macro seen_selector instruction, index
    xorl %eax, %eax
    \instruction
    movq %rax, SYSTEM_SEEN + 8 * (\index)
    .endm

    .code64
soak_guest:
    movq $STACK, %rsp
    cld

round:
    incq ROUND
    call next_patterns

    call prepare_step
    step STEP_OUTB, outb %al, $PORT_OUTB

    call prepare_step
    step STEP_OUTL, outl %eax, $PORT_OUTL

    call prepare_step
    answer
    movl %eax, %eax
    movq %rax, DUE + 8 * RAX
    step STEP_IN, inl $PORT_IN, %eax

    call prepare_step
    step STEP_MMIO_WRITE, movq %rax, DEVICE_OUT

    call prepare_step
    answer
    movq %rax, DUE + 8 * RCX
    step STEP_MMIO_READ, movq DEVICE_IN, %rcx

    call prepare_step
    movq INTERRUPTS, %rax
    movq %rax, INTERRUPTS_BEFORE
    step STEP_HLT, hlt
    movq INTERRUPTS, %rax
    movq INTERRUPTS_BEFORE, %rdx
    movq $FAILED_INTERRUPT, FAILURE
    cmpq %rdx, %rax
    je failed

    /* In this leaf, the host has put patterns that do not change. */
    call prepare_step
    movl $CPUID_LEAF, %eax
    movq %rax, INPUT + 8 * RAX
    movq $0, INPUT + 8 * RCX
    movq COOKIE, %rdx
    movl %edx, %eax
    movq %rax, DUE + 8 * RAX
    shrq $32, %rdx
    movq %rdx, DUE + 8 * RBX
    notl %eax
    movq %rax, DUE + 8 * RCX
    notl %edx
    movq %rdx, DUE + 8 * RDX
    step STEP_CPUID, cpuid

    call prepare_step
    movabsq $PAT_A, %rax
    movabsq $PAT_B, %rcx
    testb $1, ROUND
    cmovneq %rcx, %rax
    movl %eax, %ecx
    shrq $32, %rax
    movq %rcx, INPUT + 8 * RAX
    movq %rcx, DUE + 8 * RAX
    movq %rax, INPUT + 8 * RDX
    movq %rax, DUE + 8 * RDX
    movq $0x277, INPUT + 8 * RCX
    movq $0x277, DUE + 8 * RCX
    step STEP_PAT, write_and_read_msr

    /* No such hypercall: -KVM_ENOSYS. */
    call prepare_step
    movq $-1000, DUE + 8 * RAX
    step STEP_VMMCALL, vmmcall

    /* KVM looks at it and injects it again. */
    call prepare_step
    incq DUE_UNDEFINED
    step STEP_UD2, ud2
    movq UNDEFINED, %rax
    movq DUE_UNDEFINED, %rdx
    movq $FAILED_INTERRUPT, FAILURE
    cmpq %rdx, %rax
    jne failed

    call prepare_step
    movl $TABLES_A, %eax
    movl $TABLES_B, %ecx
    movl $WINDOW_A, %edx
    movl $WINDOW_B, %esi
    testb $1, ROUND
    cmovneq %rcx, %rax
    cmovneq %rsi, %rdx
    movq %rax, INPUT + 8 * RAX
    movq %rax, DUE + 8 * RAX
    movq %rax, SYSTEM_DUE + 8 * S_CR3
    movq (%rdx), %rdx
    movq %rdx, SYSTEM_DUE + 8 * S_WINDOW
    step STEP_CR3, movq %rax, %cr3

    /* Timers of the host's come in the middle of this. */
    call prepare_step
    movq SPIN, %rax
    movq %rax, INPUT + 8 * RCX
    movq $0, DUE + 8 * RCX
    step STEP_SPIN, spin

    movq $STEP_MEMORY, STEP
    call check_memory
    movq $STEP_SYSTEM, STEP
    call check_system
    jmp round

/* The patterns of the next round, in general registers and in the FPU's. */
next_patterns:
    movabsq $MULTIPLIER, %rbx
    xorl %ecx, %ecx
1:  movq PATTERNS(, %rcx, 8), %rax
    imulq %rbx, %rax
    leaq 1(%rax, %rcx, 2), %rax
    movq %rax, PATTERNS(, %rcx, 8)
    incl %ecx
    cmpl $REGISTERS, %ecx
    jne 1b
    movl $FPU_XMM, %ecx
2:  imulq %rbx, %rax
    incq %rax
    movq %rax, FPU_DUE(%rcx)
    addl $8, %ecx
    cmpl $FPU_XMM_END, %ecx
    movl $FPU_YMM, %edx
    cmovel %edx, %ecx
    cmpl $FPU_YMM_END, %ecx
    jne 2b
    ret

prepare_step:
    xorl %ecx, %ecx
1:  movq PATTERNS(, %rcx, 8), %rax
    cmpl $RFLAGS, %ecx
    jne 2f
    andl $PATTERN_FLAGS, %eax
    orl $FIXED_FLAGS, %eax
2:  movq %rax, INPUT(, %rcx, 8)
    movq %rax, DUE(, %rcx, 8)
    incl %ecx
    cmpl $REGISTERS, %ecx
    jne 1b
    ret

load_fpu:
    movl $7, %eax
    xorl %edx, %edx
    testb $1, USES_XSAVE
    jz 1f
    xrstor64 FPU_DUE
    ret
1:  fxrstor64 FPU_DUE
    ret

/* Compare SEEN with DUE, and the FPU's registers. */
check:
    movl $7, %eax
    xorl %edx, %edx
    movl $FPU_YMM_END, %esi
    testb $1, USES_XSAVE
    jz 1f
    xsave64 FPU_SEEN
    jmp 2f
1:  fxsave64 FPU_SEEN
    movl $FPU_XMM_END, %esi
2:  movq $FAILED_REGISTER, FAILURE
    xorl %ecx, %ecx
3:  movq SEEN(, %rcx, 8), %rax
    movq DUE(, %rcx, 8), %rdx
    cmpq %rdx, %rax
    jne failed
    incl %ecx
    cmpl $REGISTERS, %ecx
    jne 3b

    movq $FAILED_FPU, FAILURE
    xorl %ecx, %ecx
    movabsq $0xffffffffff, %rdi
    movq FPU_SEEN, %rax
    movq FPU_DUE, %rdx
    andq %rdi, %rax
    cmpq %rdx, %rax
    jne failed
    movl $FPU_MXCSR, %ecx
    movl FPU_SEEN + FPU_MXCSR, %eax
    movl FPU_DUE + FPU_MXCSR, %edx
    cmpl %edx, %eax
    jne failed
    movl $FPU_ST, %ecx
4:  movq FPU_SEEN(%rcx), %rax
    movq FPU_DUE(%rcx), %rdx
    cmpq %rdx, %rax
    jne failed
    addl $8, %ecx
    cmpl %esi, %ecx
    je 5f
    cmpl $FPU_XMM_END, %ecx
    jne 4b
    movl $FPU_YMM, %ecx
    jmp 4b
5:  ret

/*
 * Read a page that was written PATTERN_PAGES rounds ago, and write it anew:
 * quadword number i holds i + 1 times the round, times GOLDEN, plus COOKIE.
 */
check_memory:
    movabsq $GOLDEN, %rbx
    movq ROUND, %r8
    movl %r8d, %esi
    andl $(PATTERN_PAGES - 1), %esi
    shll $12, %esi
    addl $PATTERN, %esi
    leaq -PATTERN_PAGES(%r8), %r9
    imulq %rbx, %r8
    imulq %rbx, %r9
    movq COOKIE, %r10
    movq %r10, %rdx
    addq %r8, %r10
    addq %r9, %rdx
    movq $FAILED_MEMORY, FAILURE
    leal 4096(%rsi), %edi
    cmpq $PATTERN_PAGES, ROUND
    jle 2f
1:  movq (%rsi), %rax
    movl %esi, %ecx
    cmpq %rdx, %rax
    jne failed
    movq %r10, (%rsi)
    addq %r9, %rdx
    addq %r8, %r10
    addl $8, %esi
    cmpl %edi, %esi
    jne 1b
    ret
2:  movq %r10, (%rsi)
    addq %r8, %r10
    addl $8, %esi
    cmpl %edi, %esi
    jne 2b
    ret

check_system:
    movq $FAILED_TSC, FAILURE
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    movq LAST_TSC, %rdx
    cmpq %rdx, %rax
    jbe failed
    movq %rax, LAST_TSC

    swapgs
    movq SYSTEM_DUE + 8 * S_GS_BASE, %rax
    movq SYSTEM_DUE + 8 * S_KERNEL_GS_BASE, %rdx
    movq %rdx, SYSTEM_DUE + 8 * S_GS_BASE
    movq %rax, SYSTEM_DUE + 8 * S_KERNEL_GS_BASE
    movq (%rdx), %rdx
    movq %rdx, SYSTEM_DUE + 8 * S_GS_PAGE

    seen %cr0, S_CR0
    seen %cr2, S_CR2
    seen %cr3, S_CR3
    seen %cr4, S_CR4
    seen %dr0, S_DR0
    seen %dr1, S_DR0 + 1
    seen %dr2, S_DR0 + 2
    seen %dr3, S_DR0 + 3
    seen %dr6, S_DR6
    seen %dr7, S_DR7
    seen_selector "movw %es, %ax", S_ES
    seen_selector "movw %cs, %ax", S_CS
    seen_selector "movw %ss, %ax", S_SS
    seen_selector "movw %ds, %ax", S_DS
    seen_selector "movw %fs, %ax", S_FS
    seen_selector "movw %gs, %ax", S_GS
    seen_selector "strw %ax", S_TR
    seen_selector "sldtw %ax", S_LDTR
    subq $16, %rsp
    sgdt 6(%rsp)
    seen 8(%rsp), S_GDT_BASE
    seen_selector "movw 6(%rsp), %ax", S_GDT_LIMIT
    sidt 6(%rsp)
    seen 8(%rsp), S_IDT_BASE
    seen_selector "movw 6(%rsp), %ax", S_IDT_LIMIT
    addq $16, %rsp
    seen %fs:0, S_FS_PAGE
    seen %gs:0, S_GS_PAGE
    seen WINDOW, S_WINDOW
    read_msr 0xc0000080, S_EFER
    read_msr 0xc0000100, S_FS_BASE
    read_msr 0xc0000101, S_GS_BASE
    read_msr 0xc0000102, S_KERNEL_GS_BASE
    read_msr 0xc0000081, S_STAR
    read_msr 0xc0000082, S_LSTAR
    read_msr 0xc0000083, S_CSTAR
    read_msr 0xc0000084, S_SFMASK
    read_msr 0x174, S_SYSENTER_CS
    read_msr 0x175, S_SYSENTER_ESP
    read_msr 0x176, S_SYSENTER_EIP

    movq $FAILED_SYSTEM, FAILURE
    xorl %ecx, %ecx
1:  movq SYSTEM_SEEN(, %rcx, 8), %rax
    movq SYSTEM_DUE(, %rcx, 8), %rdx
    cmpq %rdx, %rax
    jne failed
    incl %ecx
    cmpl $S_COUNT, %ecx
    jne 1b
    ret

/* RCX: where; RAX: what was seen; RDX: what was due. */
failed:
    movq %rcx, FAILED_AT
    movq %rax, FAILED_SEEN
    movq %rdx, FAILED_DUE
    outl %eax, $PORT_FAILED
    jmp failed

/* The two handlers run on a stack of their own, so RSP may be a pattern. */
soak_guest_interrupt:
    incq INTERRUPTS
    iretq

soak_guest_undefined:
    incq UNDEFINED
    addq $2, (%rsp)
    iretq
soak_guest_end:

/* Addresses of the instructions that exit to user space. */
    .balign 8
soak_guest_steps:
    .quad 0
    .quad AT(at_1)
    .quad AT(at_2)
    .quad AT(at_3)
    .quad AT(at_4)
    .quad AT(at_5)
    .quad AT(at_6)

/* Of a register in HostState. */
#define HOST(number) FPU_YMM_END + 8 * number

    .text
    .global soak_run
    .type soak_run, @function
soak_run:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rcx
    pushq %rdx
    testl %ecx, %ecx
    movl $7, %eax
    movl $0, %edx
    jz 1f
    xrstor64 (%rsi)
    jmp 2f
1:  fxrstor64 (%rsi)
2:  pushq HOST(H_RFLAGS)(%rsi)
    popfq
    movq HOST(H_RBX)(%rsi), %rbx
    movq HOST(H_RBP)(%rsi), %rbp
    movq HOST(H_R8)(%rsi), %r8
    movq HOST(H_R9)(%rsi), %r9
    movq HOST(H_R10)(%rsi), %r10
    movq HOST(H_R12)(%rsi), %r12
    movq HOST(H_R13)(%rsi), %r13
    movq HOST(H_R14)(%rsi), %r14
    movq HOST(H_R15)(%rsi), %r15
    movl $0xae80, %esi          /* KVM_RUN */
    movl $0, %edx
    movl $16, %eax              /* ioctl() */
    syscall
    /* Which changes RCX and R11. */
    movq (%rsp), %rcx
    movq %rbx, HOST(H_RBX)(%rcx)
    movq %rbp, HOST(H_RBP)(%rcx)
    movq %rsi, HOST(H_RSI)(%rcx)
    movq %rdx, HOST(H_RDX)(%rcx)
    movq %r8, HOST(H_R8)(%rcx)
    movq %r9, HOST(H_R9)(%rcx)
    movq %r10, HOST(H_R10)(%rcx)
    movq %r12, HOST(H_R12)(%rcx)
    movq %r13, HOST(H_R13)(%rcx)
    movq %r14, HOST(H_R14)(%rcx)
    movq %r15, HOST(H_R15)(%rcx)
    pushfq
    popq HOST(H_RFLAGS)(%rcx)
    movq %rdi, HOST(H_RDI)(%rcx)
    movq %fs:0, %rdx
    movq %rdx, HOST(H_FS_PAGE)(%rcx)
    movq %gs:0, %rdx
    movq %rdx, HOST(H_GS_PAGE)(%rcx)
    xorl %edx, %edx
    movw %ds, %dx
    movq %rdx, HOST(H_DS)(%rcx)
    movw %es, %dx
    movq %rdx, HOST(H_ES)(%rcx)
    movw %ss, %dx
    movq %rdx, HOST(H_SS)(%rcx)
    movw %cs, %dx
    movq %rdx, HOST(H_CS)(%rcx)
    movq %rax, %r8
    movl $7, %eax
    movl $0, %edx
    cmpl $0, 8(%rsp)
    jz 3f
    xsave64 (%rcx)
    vzeroupper
    jmp 4f
3:  fxsave64 (%rcx)
4:  fninit
    pushq $0x1f80
    ldmxcsr (%rsp)
    addq $8, %rsp
    movq %r8, %rax
    popq %rdx
    popq %rcx
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    cld
    ret
    .size soak_run, . - soak_run

    .section .note.GNU-stack, "", @progbits
