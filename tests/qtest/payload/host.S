/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host: a processor that does what its mailbox says, one step at a time.
 *
 * Included with HOST_BITS 64 and 32.  Nothing lives in registers or on the
 * stack from one step to the next: a step may lose all of them.
 */

#include "layout.h"

#define JOIN_(a, b)             a##_##b
#define JOIN(a, b)              JOIN_(a, b)
#define FOR_HOST(name)          JOIN(name, HOST_BITS)

#if HOST_BITS == 64
        .code64
#define R(name)                 %r##name
#define WORD                    .quad
#define WORD_SIZE               8
#define IRET                    iretq
#define OTHER_WIDTH             %eax
#define SELECTOR_CODE           SELECTOR_CODE_64
#else
        .code32
#define R(name)                 %e##name
#define WORD                    .long
#define WORD_SIZE               4
#define IRET                    iretl
#define OTHER_WIDTH             %ax
#define SELECTOR_CODE           SELECTOR_CODE_32
#endif

#define APIC                    0xfee00000
#define APIC_EOI                (APIC + 0xb0)
#define APIC_SPURIOUS           (APIC + 0xf0)
#define APIC_COMMAND            (APIC + 0x300)
#define APIC_COMMAND_TARGET     (APIC + 0x310)

#define VMCB_EXITCODE           0x70
#define VMEXIT_VMMCALL          0x81
#define RFLAGS_TF               0x100

        .text

/* R(bp) = this processor's mailbox; loses R(ax) to R(dx). */
        .macro  find_mailbox
        mov     $1, %eax
        cpuid
        shr     $24, %ebx
        shl     $12, %ebx
        lea     MAILBOXES(R(bx)), R(bp)
        .endm

        .globl  FOR_HOST(host_start)
FOR_HOST(host_start):
        lidt    interrupt_descriptor
        mov     $SELECTOR_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        fninit
        find_mailbox
        movl    $1, MAILBOX_READY(R(bp))

next_step:
        find_mailbox
        lea     STACKS + PER_PROCESSOR - MAILBOXES(R(bp)), R(sp)
1:      pause
        cmpl    $0, MAILBOX_GO(R(bp))
        je      1b
        movl    $0, MAILBOX_GO(R(bp))
        mov     MAILBOX_STEP(R(bp)), %eax
        call    *steps(,R(ax),WORD_SIZE)
        mov     R(ax), MAILBOX_RESULT(R(bp))
        movl    $1, MAILBOX_DONE(R(bp))
        jmp     next_step

/*
 * Exceptions end the step; interrupts are counted.
 */
        .macro  interrupt_entry vector
entry_\vector:
        .if     (\vector == 8) || (\vector >= 10 && \vector <= 14) || \
                (\vector == 17) || (\vector == 21) || (\vector == 30)
        .else
        push    $0
        .endif
        push    $\vector
        jmp     entry_of_all
        .endm

        .altmacro
        .set    vector, 0
        .rept   INTERRUPT_VECTORS
        interrupt_entry %vector
        .set    vector, vector + 1
        .endr

entry_of_all:
        push    R(ax)
        push    R(bx)
        push    R(cx)
        push    R(dx)
        push    R(bp)
        find_mailbox
        mov     5 * WORD_SIZE(R(sp)), R(ax)
        cmp     $2, R(ax)
        je      interrupt
        cmp     $32, R(ax)
        jae     interrupt

        or      $FAULTED, %eax
        mov     %eax, MAILBOX_FAULT(R(bp))
        mov     6 * WORD_SIZE(R(sp)), R(ax)
        mov     R(ax), MAILBOX_FAULT_ERROR(R(bp))
        mov     7 * WORD_SIZE(R(sp)), R(ax)
        mov     R(ax), MAILBOX_FAULT_RIP(R(bp))
        mov     %cr2, R(ax)
        mov     R(ax), MAILBOX_FAULT_CR2(R(bp))
        movl    $1, MAILBOX_DONE(R(bp))
        jmp     next_step

interrupt:
        incl    MAILBOX_INTERRUPTS(R(bp))
        cmp     $2, R(ax)
        je      1f
        mov     $APIC_EOI, %eax
        movl    $0, (R(ax))
1:      pop     R(bp)
        pop     R(dx)
        pop     R(cx)
        pop     R(bx)
        pop     R(ax)
        add     $(2 * WORD_SIZE), R(sp)
        IRET

/*
 * The steps: R(bp) is the mailbox, to be kept; R(ax) the result.
 */
        .macro  load_guest_registers
        mov     MAILBOX_GUEST_RBX(R(bp)), R(bx)
        mov     MAILBOX_GUEST_RCX(R(bp)), R(cx)
        mov     MAILBOX_GUEST_RDX(R(bp)), R(dx)
        mov     MAILBOX_GUEST_RSI(R(bp)), R(si)
        mov     MAILBOX_GUEST_RDI(R(bp)), R(di)
        mov     MAILBOX_OPERAND(R(bp)), R(ax)
        push    R(bp)
        .endm

        .macro  store_guest_registers
        mov     (R(sp)), R(bp)
        incl    MAILBOX_VMRUN_RETURNS(R(bp))
        mov     R(bx), MAILBOX_GUEST_RBX(R(bp))
        mov     R(cx), MAILBOX_GUEST_RCX(R(bp))
        mov     R(dx), MAILBOX_GUEST_RDX(R(bp))
        mov     R(si), MAILBOX_GUEST_RSI(R(bp))
        mov     R(di), MAILBOX_GUEST_RDI(R(bp))
        pop     R(bp)
        .endm

step_vmrun:
        load_guest_registers
        vmrun   R(ax)
        store_guest_registers
        ret

step_vmrun_other_width:
        load_guest_registers
        vmrun   OTHER_WIDTH
        store_guest_registers
        ret

step_sti_vmrun:
        load_guest_registers
        sti
        vmrun   R(ax)
        cli
        store_guest_registers
        ret

/* The #DB comes after VMRUN has ended: it ends the step. */
step_vmrun_single_stepped:
        load_guest_registers
        pushf
        orl     $RFLAGS_TF, (R(sp))
        popf
        vmrun   R(ax)
        nop
        store_guest_registers
        ret

/* Ends at the first exit that is not the one asked for. */
step_vmrun_loop:
        push    R(bp)
        push    $0
1:      mov     MAILBOX_OPERAND(R(bp)), R(ax)
        vmrun   R(ax)
        mov     WORD_SIZE(R(sp)), R(bp)
        incl    MAILBOX_VMRUN_RETURNS(R(bp))
        mov     MAILBOX_OPERAND(R(bp)), R(ax)
        cmpl    $VMEXIT_VMMCALL, VMCB_EXITCODE(R(ax))
        jne     2f
        incl    (R(sp))
        mov     (R(sp)), %eax
        cmp     MAILBOX_VALUE(R(bp)), %eax
        jb      1b
2:      pop     R(ax)
        pop     R(bp)
        ret

step_vmsave:
        mov     MAILBOX_OPERAND(R(bp)), R(ax)
        vmsave  R(ax)
        ret

step_vmload:
        mov     MAILBOX_OPERAND(R(bp)), R(ax)
        vmload  R(ax)
        ret

step_vmsave_other_width:
        mov     MAILBOX_OPERAND(R(bp)), R(ax)
        vmsave  OTHER_WIDTH
        ret

step_vmload_other_width:
        mov     MAILBOX_OPERAND(R(bp)), R(ax)
        vmload  OTHER_WIDTH
        ret

step_stgi:
        stgi
        ret

step_clgi:
        clgi
        ret

step_sti:
        sti
        ret

/* To the next instruction, at the CPL that it comes from. */
step_syscall:
        mov     $0xc0000080, %ecx       /* EFER.SCE */
        rdmsr
        or      $1, %eax
        wrmsr
        inc     %ecx                    /* STAR */
        mov     $1f, %eax
        mov     $SELECTOR_CODE, %edx
        wrmsr
#if HOST_BITS == 64
        inc     %ecx                    /* LSTAR */
        xor     %edx, %edx
        wrmsr
#endif
        syscall
1:      mov     $SELECTOR_DATA, %eax
        mov     %eax, %ss
        ret

step_mwait:
        mov     R(bp), R(ax)
        xor     %ecx, %ecx
        xor     %edx, %edx
        monitor %eax, %ecx, %edx
        mov     MAILBOX_OPERAND(R(bp)), R(cx)
        xor     %eax, %eax
        mwait   %eax, %ecx
        ret

step_nothing:
        ret

        .macro  control_register name
step_read_\name:
        mov     %\name, R(ax)
        ret

step_write_\name:
        mov     MAILBOX_VALUE(R(bp)), R(ax)
        mov     R(ax), %\name
        ret
        .endm

step_read_cr0:
        mov     %cr0, R(ax)
        ret

        control_register cr2
        control_register cr3
        control_register cr4
        control_register dr6
        control_register dr7

step_write_dr0:
        mov     MAILBOX_VALUE(R(bp)), R(ax)
        mov     R(ax), %dr0
        ret

step_write_memory:
        mov     MAILBOX_OPERAND(R(bp)), R(bx)
        mov     MAILBOX_VALUE(R(bp)), %eax
        mov     %eax, (R(bx))
        ret

step_write_port:
        mov     MAILBOX_OPERAND(R(bp)), %edx
        mov     MAILBOX_VALUE(R(bp)), %eax
        out     %eax, %dx
        ret

step_read_port:
        mov     MAILBOX_OPERAND(R(bp)), %edx
        xor     %eax, %eax
        in      %dx, %eax
        ret

step_invlpga:
        mov     MAILBOX_OPERAND(R(bp)), R(ax)
        mov     $1, %ecx
        invlpga R(ax), %ecx
        ret

step_read_memory:
        mov     MAILBOX_OPERAND(R(bp)), R(bx)
        mov     (R(bx)), %eax
        ret

step_invlpgb:
        mov     MAILBOX_OPERAND(R(bp)), R(ax)
        mov     MAILBOX_VALUE(R(bp)), %ecx
        mov     MAILBOX_VALUE + 4(R(bp)), %edx
        .byte   0x0f, 0x01, 0xfe
        ret

step_tlbsync:
        .byte   0x0f, 0x01, 0xff
        ret

step_read_rflags:
        pushf
        pop     R(ax)
        ret

        .macro  return_edx_eax
#if HOST_BITS == 64
        shl     $32, %rdx
        or      %rdx, %rax
#else
        mov     %edx, MAILBOX_RESULT + 4(R(bp))
#endif
        ret
        .endm

step_read_msr:
        mov     MAILBOX_OPERAND(R(bp)), %ecx
        rdmsr
        return_edx_eax

/* DEBUGCTL.LBR is set around one jump. */
step_jump_recorded:
        mov     $0x1d9, %ecx
        mov     $1, %eax
        xor     %edx, %edx
        wrmsr
        mov     $0, %eax
1:      jmp     2f
        nop
2:      wrmsr
        mov     $1b, %eax
        ret

step_read_tsc:
        rdtsc
        return_edx_eax

step_write_msr:
        mov     MAILBOX_OPERAND(R(bp)), %ecx
        mov     MAILBOX_VALUE(R(bp)), %eax
        mov     MAILBOX_VALUE + 4(R(bp)), %edx
        wrmsr
        ret

step_cpuid:
        mov     MAILBOX_OPERAND(R(bp)), %eax
        cpuid
        mov     %ebx, %eax
#if HOST_BITS == 64
        shl     $32, %rdx
        or      %rdx, %rax
#else
        mov     %edx, MAILBOX_RESULT + 4(R(bp))
#endif
        ret

step_read_tr:
        xor     %eax, %eax
        str     %ax
        ret

step_write_fs:
        mov     MAILBOX_VALUE(R(bp)), %eax
        mov     %eax, %fs
        ret

step_write_ldtr:
        mov     MAILBOX_VALUE(R(bp)), %eax
        lldt    %ax
        ret

step_read_gdtr:
        sgdt    MAILBOX_TABLE_REGISTER(R(bp))
        mov     MAILBOX_TABLE_REGISTER + 2(R(bp)), R(ax)
        ret

step_read_idtr:
        sidt    MAILBOX_TABLE_REGISTER(R(bp))
        mov     MAILBOX_TABLE_REGISTER + 2(R(bp)), R(ax)
        ret

step_enable_apic:
        mov     $APIC_SPURIOUS, %eax
        movl    $0x13f, (R(ax))
        ret

        /* Level-triggered INIT, then the start-up IPI. */
step_start_processor:
        mov     $APIC_SPURIOUS, %eax
        movl    $0x13f, (R(ax))
        mov     MAILBOX_OPERAND(R(bp)), %edx
        shl     $24, %edx
        mov     $APIC_COMMAND_TARGET, %eax
        mov     %edx, (R(ax))
        mov     $APIC_COMMAND, %eax
        movl    $0xc500, (R(ax))
        mov     $100000, %ecx
1:      pause
        loop    1b
        movl    $(0x4600 + (PAYLOAD_BASE >> 12)), (R(ax))
        ret

step_self_ipi:
        mov     MAILBOX_OPERAND(R(bp)), %edx
        or      $0x40000, %edx
        mov     $APIC_COMMAND, %eax
        mov     %edx, (R(ax))
        ret

/*
 * A round: an interrupt sent with GIF = 0 waits, and comes with STGI.
 */
step_gif_loop:
        xor     %ebx, %ebx
        mov     $APIC_COMMAND, %esi
        mov     MAILBOX_OPERAND(R(bp)), %edx
        or      $0x40000, %edx
        sti
1:      mov     MAILBOX_INTERRUPTS(R(bp)), %edi
        clgi
        mov     %edx, (R(si))
        mov     $8, %ecx
        loop    .               /* interrupts come between blocks of code */
        cmp     MAILBOX_INTERRUPTS(R(bp)), %edi
        jne     2f
        stgi
        nop
        nop
        inc     %edi
        cmp     MAILBOX_INTERRUPTS(R(bp)), %edi
        jne     2f
        inc     %ebx
        cmp     MAILBOX_VALUE(R(bp)), %ebx
        jb      1b
2:      stgi
        cli
        mov     %ebx, %eax
        ret

/* FLDENV with no exception pending ends in QEMU's cpu_clear_ignne(). */
step_load_fpu_loop:
        xor     %eax, %eax
        fnstenv MAILBOX_FPU_ENVIRONMENT(R(bp))
1:      .rept   16
        fldenv  MAILBOX_FPU_ENVIRONMENT(R(bp))
        .endr
        add     $16, R(ax)
        cmpl    $0, MAILBOX_STOP(R(bp))
        je      1b
        ret

        .section .rodata, "a"
        .balign 16
steps:
#define SVM_STEP(name, operand, value, result)  WORD step_##name;
#include "steps.h.inc"

        .macro  interrupt_gate vector
        .word   entry_\vector - PAYLOAD_BASE
        .word   SELECTOR_CODE
        .word   0x8e00
        .word   PAYLOAD_BASE >> 16
#if HOST_BITS == 64
        .quad   0
#endif
        .endm

        .balign 16
interrupt_table:
        .set    vector, 0
        .rept   INTERRUPT_VECTORS
        interrupt_gate %vector
        .set    vector, vector + 1
        .endr
interrupt_table_end:

interrupt_descriptor:
        .word   interrupt_table_end - interrupt_table - 1
        WORD    interrupt_table
