/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From reset, or from a start-up IPI, to the loop that takes orders.
 *
 * The image is the machine's firmware: nothing else runs.
 */

#include "layout.h"

#define MSR_APIC_BASE           0x1b
#define APIC_BASE_FIRST         0x100
#define MSR_EFER                0xc0000080
#define EFER_LONG_MODE_NX       0x900

#define CR0_PROTECTED           0x33    /* PE, MP, ET, NE */
#define CR0_PAGING              0x80010000  /* PG, WP */
#define CR4_LONG_MODE           0x620   /* PAE, OSFXSR, OSXMMEXCPT */
#define CR4_LEGACY              0x610   /* PSE, the same */

#define PAGE_TABLE              0x67    /* P, RW, US, A, D */
#define LARGE_PAGE              0xe7    /* and PS */

        .macro  load_task_register
        mov     $1, %eax
        cpuid
        shr     $24, %ebx
        shl     $4, %ebx
        add     $SELECTOR_TASK_STATE, %ebx
        ltr     %bx
        .endm

        .section .reset, "ax"
        .code16
        ljmp    $(PAYLOAD_BASE >> 4), $(start - PAYLOAD_BASE)

        .section .entry, "ax"
        .code16
        /* Start-up IPIs with this page's number come here. */
        jmp     start
        .org    PAYLOAD_GUESTS
#define SVM_GUEST(name, text)   .long guest_##name;
#include "guests.h.inc"

        .text
        .code16
start:
        cli
        lgdtl   %cs:gdt_descriptor_rom - PAYLOAD_BASE
        mov     $CR0_PROTECTED, %eax
        mov     %eax, %cr0
        ljmpl   $SELECTOR_CODE_32, $protected

        .code32
protected:
        mov     $SELECTOR_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        xor     %eax, %eax
        lldt    %ax
        mov     %eax, %fs
        mov     %eax, %gs

        /* The stack that the host loop will use. */
        mov     $1, %eax
        cpuid
        shr     $24, %ebx
        shl     $12, %ebx
        lea     STACKS + PER_PROCESSOR(%ebx), %esp

        mov     $MSR_APIC_BASE, %ecx
        rdmsr
        test    $APIC_BASE_FIRST, %eax
        jz      tables_ready
        call    copy_gdt
        call    build_page_tables
tables_ready:
        lgdt    gdt_descriptor
        mov     $CR4_LONG_MODE, %ecx
        mov     $HOST_PML4, %edx
        mov     HOST_MODE_WORD, %eax
        cmp     $HOST_LONG_MODE, %eax
        je      enter_long_mode
        mov     $HOST_PAE_PDPT, %edx
        cmp     $HOST_PAE, %eax
        je      enter_paging
        mov     $CR4_LEGACY, %ecx
        mov     $HOST_LEGACY_PD, %edx
        cmp     $HOST_LEGACY_PAGING, %eax
        je      enter_paging
        mov     %ecx, %cr4
        jmp     enter_32_bits

enter_paging:
        mov     %ecx, %cr4
        mov     %edx, %cr3
        mov     $(CR0_PROTECTED | CR0_PAGING), %eax
        mov     %eax, %cr0
enter_32_bits:
        load_task_register
        jmp     host_start_32

enter_long_mode:
        mov     %ecx, %cr4
        mov     %edx, %cr3
        mov     $MSR_EFER, %ecx
        mov     $EFER_LONG_MODE_NX, %eax
        xor     %edx, %edx
        wrmsr
        mov     $(CR0_PROTECTED | CR0_PAGING), %eax
        mov     %eax, %cr0
        ljmp    $SELECTOR_CODE_64, $long_mode

        .code64
long_mode:
        load_task_register
        jmp     host_start_64

        .code32
copy_gdt:
        mov     $gdt, %esi
        mov     $GLOBAL_DESCRIPTORS, %edi
        mov     $((gdt_end - gdt) / 4), %ecx
        rep movsl
        ret

build_page_tables:
        movl    $(HOST_PDPT + PAGE_TABLE), HOST_PML4
        /* Four page directories of 512 pages of 2 MiB. */
        mov     $HOST_PD, %edi
        mov     $LARGE_PAGE, %eax
        mov     $2048, %ecx
1:      mov     %eax, (%edi)
        movl    $0, 4(%edi)
        add     $0x200000, %eax
        add     $8, %edi
        loop    1b

        mov     $HOST_PD, %eax
        xor     %ecx, %ecx
1:      lea     PAGE_TABLE(%eax), %edx
        mov     %edx, HOST_PDPT(,%ecx,8)
        lea     1(%eax), %edx
        mov     %edx, HOST_PAE_PDPT(,%ecx,8)
        add     $0x1000, %eax
        inc     %ecx
        cmp     $4, %ecx
        jb      1b

        mov     $HOST_LEGACY_PD, %edi
        mov     $LARGE_PAGE, %eax
        mov     $1024, %ecx
1:      mov     %eax, (%edi)
        add     $0x400000, %eax
        add     $4, %edi
        loop    1b
        ret

        .section .rodata, "a"
        .balign 16
gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      /* SELECTOR_CODE_32 */
        .quad   0x00cf93000000ffff      /* SELECTOR_DATA */
        .quad   0x00af9b000000ffff      /* SELECTOR_CODE_64 */
        .set    processor, 0
        .rept   MAX_PROCESSORS          /* SELECTOR_TASK_STATE */
        .quad   0x0000890000000067 + \
                ((TASK_STATES + processor * PER_PROCESSOR) << 16)
        .quad   0
        .set    processor, processor + 1
        .endr
gdt_end:
gdt_descriptor_rom:
        .word   gdt_end - gdt - 1
        .long   gdt
        .balign 4
gdt_descriptor:
        .word   GLOBAL_DESCRIPTORS_SIZE - 1
        .quad   GLOBAL_DESCRIPTORS
