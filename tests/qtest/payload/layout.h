/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the payload keeps what: shared by the payload and the test programs.
 */

#ifndef SVM_PAYLOAD_LAYOUT_H
#define SVM_PAYLOAD_LAYOUT_H

/* The image is the machine's firmware: its last 64 KiB below 1 MiB. */
#define PAYLOAD_BASE            0xf0000
#define PAYLOAD_SIZE            0x10000
/* Addresses of the guest programs, 32 bits each, in guests.h.inc's order. */
#define PAYLOAD_GUESTS          0x10

#define RAM_SIZE                0x1000000

/* What the processors are brought into; written before the machine starts. */
#define HOST_MODE_WORD          0x500
#define HOST_LONG_MODE          0
#define HOST_PAE                1   /* 32 bits, PAE paging */
#define HOST_LEGACY_PAGING      2   /* 32 bits, 4 MiB pages */
#define HOST_NO_PAGING          3   /* 32 bits, CR0.PG = 0 */

/* One page a processor, by APIC ID. */
#define MAILBOXES               0x1000
#define STACKS                  0x5000
#define TASK_STATES             0xa000
#define PER_PROCESSOR           0x1000
#define MAX_PROCESSORS          4

#define GLOBAL_DESCRIPTORS      0x9000
#define GLOBAL_DESCRIPTORS_SIZE 0x100

/* Everything below 4 GiB is identity mapped, in 2 MiB pages. */
#define HOST_PML4               0x10000
#define HOST_PDPT               0x11000
#define HOST_PD                 0x12000 /* four pages */
#define HOST_PAE_PDPT           0x16000
#define HOST_LEGACY_PD          0x17000

/* For the test programs. */
#define VMCB                    0x20000
#define HOST_SAVE               0x22000
#define OTHER_VMCB              0x23000
#define OTHER_HOST_SAVE         0x24000
#define SCRATCH                 0x25000
#define MSR_MAP                 0x30000
#define IO_MAP                  0x34000
#define NESTED_TABLES           0x40000 /* PML4, PDPT, PD, PT */
#define GUEST_DATA              0x60000
/* A guest program that a case brings along is put here. */
#define GUEST_CODE              GUEST_DATA
#define GUEST_STACK_TOP         0x70000

/* A processor's mailbox: the test asks for one step at a time. */
#define MAILBOX_READY           0x00
#define MAILBOX_GO              0x04
#define MAILBOX_DONE            0x08
#define MAILBOX_STEP            0x0c
#define MAILBOX_OPERAND         0x10
#define MAILBOX_VALUE           0x18
#define MAILBOX_RESULT          0x20
#define MAILBOX_FAULT           0x28    /* FAULTED | vector, or 0 */
#define MAILBOX_FAULT_ERROR     0x30
#define MAILBOX_FAULT_RIP       0x38
#define MAILBOX_FAULT_CR2       0x40
#define MAILBOX_STOP            0x48    /* ends a step that loops */
#define MAILBOX_VMRUN_RETURNS   0x4c    /* times that VMRUN's successor ran */
#define MAILBOX_INTERRUPTS      0x50    /* vectors 32 and above, and NMI */
#define MAILBOX_GUEST_RBX       0x60    /* loaded before VMRUN, */
#define MAILBOX_GUEST_RCX       0x68    /* stored after it */
#define MAILBOX_GUEST_RDX       0x70
#define MAILBOX_GUEST_RSI       0x78
#define MAILBOX_GUEST_RDI       0x80
#define MAILBOX_TABLE_REGISTER  0x90    /* SGDT's and SIDT's 10 bytes */
#define MAILBOX_FPU_ENVIRONMENT 0x100

#define FAULTED                 0x100

/* Selectors of the payload's GDT. */
#define SELECTOR_CODE_32        0x08
#define SELECTOR_DATA           0x10
#define SELECTOR_CODE_64        0x18
#define SELECTOR_TASK_STATE     0x20    /* 16 bytes a processor */

/* A gate for each vector below this. */
#define INTERRUPT_VECTORS       64
/* The guests' own table: exceptions and a few interrupts. */
#define GUEST_VECTORS           80

#define INTERRUPT_SELF_IPI      0x30

#endif
