/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs inside: small programs, each with its own VMMCALL.
 */

#include "layout.h"

#define SVM_GUEST(name, text)   .globl guest_##name;
#include "guests.h.inc"

        .text
        .code64

        .macro  exit_for_ever
        vmmcall
        jmp     . - 3
        .endm

guest_vmmcall:
        exit_for_ever

guest_read_cr0:
        mov     %cr0, %rbx
        mov     %cr4, %rcx
        exit_for_ever

guest_write_vmsave_set:
        xor     %eax, %eax
        lldt    %ax
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %ebx, %eax
        mov     %rbx, %rdx
        shr     $32, %rdx
        .irp    msr, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, \
                0xc0000100, 0xc0000101, 0xc0000102, 0x174, 0x175, 0x176
        mov     $\msr, %ecx
        wrmsr
        .endr
        exit_for_ever

guest_read_memory:
        mov     (%rbx), %rax
        exit_for_ever

guest_write_memory:
        mov     %rcx, (%rbx)
        exit_for_ever

guest_write_32_bits_jump:
        mov     %ecx, (%rbx)
        jmp     1f
1:
        exit_for_ever

guest_write_memory_read_msr:
        mov     %rcx, (%rbx)
        mov     %esi, %ecx
        rdmsr
        exit_for_ever

guest_write_memory_read_port:
        mov     %rcx, (%rbx)
        in      $0x80, %al
        exit_for_ever

guest_read_msr:
        rdmsr
        exit_for_ever

guest_write_msr:
        wrmsr
        exit_for_ever

guest_read_tsc:
        rdtscp
        mov     %rdx, %rsi
        shl     $32, %rsi
        or      %rax, %rsi
        rdtsc
        mov     %rdx, %rbx
        shl     $32, %rbx
        or      %rax, %rbx
        mov     $0x10, %ecx
        rdmsr
        mov     %rdx, %rcx
        shl     $32, %rcx
        or      %rax, %rcx
        exit_for_ever

guest_vmsave:
        vmsave  %rax
        exit_for_ever

guest_vmload:
        vmload  %rax
        exit_for_ever

guest_vmrun:
        vmrun   %rax
        exit_for_ever

guest_stgi:
        stgi
        exit_for_ever

guest_clgi:
        clgi
        exit_for_ever

guest_invlpga:
        invlpga %rax, %ecx
        exit_for_ever

guest_undefined:
        ud2
        exit_for_ever

guest_read_flags:
        pushf
        pop     %rbx
        exit_for_ever

guest_sti_nop:
        sti
        nop
        cli
        exit_for_ever

guest_jump_to_itself:
        jmp     guest_jump_to_itself

guest_reserved_cr4:
        mov     %rbx, %cr4
        exit_for_ever

guest_read_drs:
        mov     %dr6, %rbx
        mov     %dr7, %rcx
        exit_for_ever

guest_write_drs:
        mov     %rbx, %dr6
        mov     %rcx, %dr7
        exit_for_ever

/* RBX = vector, RCX = the topmost word that was pushed. */
        .macro  guest_entry vector
guest_entry_\vector:
        mov     $\vector, %ebx
        mov     (%rsp), %rcx
        exit_for_ever
        .endm

        .macro  guest_gate vector
        .word   guest_entry_\vector - PAYLOAD_BASE
        .word   SELECTOR_CODE_64
        .word   0x8e00
        .word   PAYLOAD_BASE >> 16
        .quad   0
        .endm

        .altmacro
        .set    vector, 0
        .rept   GUEST_VECTORS
        guest_entry %vector
        .set    vector, vector + 1
        .endr

        .section .rodata, "a"
        .balign 16
guest_interrupt_table:
        .set    vector, 0
        .rept   GUEST_VECTORS
        guest_gate %vector
        .set    vector, vector + 1
        .endr
