/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What soak-guest.S has for kvm-soak.c: the guest's code, and a KVM_RUN.
 */
#ifndef SOAK_RUN_H
#define SOAK_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "soak-guest.h"

extern const uint8_t soak_guest[], soak_guest_end[];
extern const uint8_t soak_guest_interrupt[], soak_guest_undefined[];
extern const uint64_t soak_guest_steps[];

/* What a thread has in its own registers when it enters KVM_RUN. */
typedef struct HostState {
    uint8_t fpu[FPU_YMM_END];
    uint64_t registers[H_COUNT];
} __attribute__((aligned(64))) HostState;

/*
 * KVM_RUN with the registers in `due`, and the FPU's by XRSTOR or FXRSTOR;
 * those that it came back with go to `seen`.  Returns 0 or a negative errno.
 */
long soak_run(int vcpu, const HostState *due, HostState *seen, bool xsave);

#endif
