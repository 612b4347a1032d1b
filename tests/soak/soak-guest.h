/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kvm-soak.c and the guest of soak-guest.S have to agree on.
 */
#ifndef SOAK_GUEST_H
#define SOAK_GUEST_H

/* Guest-physical addresses; the guest's memory starts at 0, mapped as it is. */
#define GUEST_MEMORY 0x100000
#define CODE         0x1000
#define TABLES_A     0x5000     /* PML4, PDPT, page directory, page table */
#define TABLES_B     0x9000     /* the same, for the odd rounds */
#define IDT          0xd000
#define GDT          0xe000
#define TSS          0xe800
#define STACK        0xf800     /* of the guest's own code, downwards */
#define IST1         0x10000    /* of its interrupt handlers */
#define STATE        0x10000
#define FPU_DUE      0x11000    /* XSAVE areas */
#define FPU_SEEN     0x12000
#define WINDOW_A     0x13000    /* pages with a cookie each: what WINDOW */
#define WINDOW_B     0x14000    /* maps, with TABLES_A and with TABLES_B */
#define FS_PAGE      0x15000
#define GS_PAGE_A    0x16000
#define GS_PAGE_B    0x17000
#define PATTERN      0x20000
#define PATTERN_PAGES 64

#define DEVICE       0x180000   /* mapped, but there is no memory */
#define DEVICE_OUT   (DEVICE + 0x08)
#define DEVICE_IN    (DEVICE + 0x10)
#define WINDOW       0x200000   /* a virtual address */

/* Fields of STATE. */
#define INPUT        (STATE + 0x000)    /* registers that a step starts with */
#define DUE          (STATE + 0x100)    /* what they have to be after it */
#define SEEN         (STATE + 0x200)    /* what they were */
#define PATTERNS     (STATE + 0x300)    /* of this round */
#define SYSTEM_DUE   (STATE + 0x400)
#define SYSTEM_SEEN  (STATE + 0x600)
#define ROUND        (STATE + 0x800)
#define STEP         (STATE + 0x808)
#define COOKIE       (STATE + 0x810)    /* no other guest has this one */
#define INTERRUPTS   (STATE + 0x818)    /* that the handler has seen */
#define INTERRUPTS_BEFORE (STATE + 0x820)
#define UNDEFINED    (STATE + 0x828)    /* #UD that the handler has seen */
#define DUE_UNDEFINED (STATE + 0x868)
#define USES_XSAVE   (STATE + 0x830)
#define LAST_TSC     (STATE + 0x838)
#define FAILURE      (STATE + 0x840)    /* a FAILED_... */
#define FAILED_AT    (STATE + 0x848)    /* an index or an address */
#define FAILED_SEEN  (STATE + 0x850)
#define FAILED_DUE   (STATE + 0x858)
#define SPIN         (STATE + 0x860)    /* turns of the step SPIN */

/* Order of registers in INPUT, DUE, SEEN; then RFLAGS. */
#define RAX 0
#define RBX 1
#define RCX 2
#define RDX 3
#define RSI 4
#define RDI 5
#define RSP 6
#define RBP 7
#define R8  8
#define RFLAGS 16
#define REGISTERS 17

/* Of the patterns: arithmetic flags and DF; IF and bit 1 are always set. */
#define PATTERN_FLAGS 0xcd5
#define FIXED_FLAGS   0x202

/* How patterns go on: as Knuth's MMIX does. */
#define MULTIPLIER 0x5851f42d4c957f2d
#define GOLDEN     0x9e3779b97f4a7c15

/* Bytes of an XSAVE area. */
#define FPU_TAG_END  5
#define FPU_MXCSR    24
#define FPU_ST       32
#define FPU_XMM      160
#define FPU_XMM_END  416
#define FPU_YMM      576
#define FPU_YMM_END  832

/* Order of registers in HostState. */
#define H_RBX 0
#define H_RBP 1
#define H_RSI 2
#define H_RDX 3
#define H_R8  4
#define H_R9  5
#define H_R10 6
#define H_R12 7
#define H_R13 8
#define H_R14 9
#define H_R15 10
#define H_RFLAGS  11
#define H_RDI     12
#define H_FS_PAGE 13            /* what is at FS:0 */
#define H_GS_PAGE 14
#define H_DS 15
#define H_ES 16
#define H_SS 17
#define H_CS 18
#define H_COUNT 19

/* Order in SYSTEM_DUE and SYSTEM_SEEN. */
#define S_CR0   0
#define S_CR2   1
#define S_CR3   2
#define S_CR4   3
#define S_DR0   4               /* to 7 */
#define S_DR6   8
#define S_DR7   9
#define S_ES    10
#define S_CS    11
#define S_SS    12
#define S_DS    13
#define S_FS    14
#define S_GS    15
#define S_TR    16
#define S_LDTR  17
#define S_GDT_BASE  18
#define S_GDT_LIMIT 19
#define S_IDT_BASE  20
#define S_IDT_LIMIT 21
#define S_FS_PAGE   22          /* what is at FS:0 */
#define S_GS_PAGE   23
#define S_WINDOW    24          /* what is at WINDOW */
#define S_EFER      25
#define S_FS_BASE   26
#define S_GS_BASE   27
#define S_KERNEL_GS_BASE 28
#define S_STAR      29
#define S_LSTAR     30
#define S_CSTAR     31
#define S_SFMASK    32
#define S_SYSENTER_CS  33
#define S_SYSENTER_ESP 34
#define S_SYSENTER_EIP 35
#define S_COUNT     36

/* Steps of a round, each with every register at its pattern. */
#define STEP_OUTB       1
#define STEP_OUTL       2
#define STEP_IN         3
#define STEP_MMIO_WRITE 4
#define STEP_MMIO_READ  5
#define STEP_HLT        6       /* up to here, they exit to user space */
#define STEP_CPUID      7
#define STEP_PAT        8
#define STEP_VMMCALL    9
#define STEP_UD2        10
#define STEP_CR3        11
#define STEP_SPIN       12
#define STEP_MEMORY     13      /* the two others are ordinary code */
#define STEP_SYSTEM     14

#define PORT_OUTB    0xe0
#define PORT_OUTL    0xe1
#define PORT_IN      0xe2
#define PORT_FAILED  0xe3

#define INTERRUPT_VECTOR 0x50
#define CPUID_LEAF   0x40000000
#define PAT_A        0x0007040600070406
#define PAT_B        0x0706050401000506

#define FAILED_REGISTER  1      /* FAILED_AT is its number */
#define FAILED_FPU       2      /* a byte of the XSAVE area, a multiple of 8 */
#define FAILED_SYSTEM    3      /* an S_... */
#define FAILED_MEMORY    4      /* an address */
#define FAILED_INTERRUPT 5      /* after HLT, none came */
#define FAILED_TSC       6      /* it went back */

#endif
