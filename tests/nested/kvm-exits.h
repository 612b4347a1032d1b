/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The exits of KVM_RUN in words, for the programs that L1 runs.
 */
#ifndef KVM_EXITS_H
#define KVM_EXITS_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline const char *exit_name(uint32_t reason)
{
    static const char *const names[] = {
        [KVM_EXIT_UNKNOWN] = "UNKNOWN",
        [KVM_EXIT_EXCEPTION] = "EXCEPTION",
        [KVM_EXIT_IO] = "IO",
        [KVM_EXIT_DEBUG] = "DEBUG",
        [KVM_EXIT_HLT] = "HLT",
        [KVM_EXIT_MMIO] = "MMIO",
        [KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
        [KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
        [KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
        [KVM_EXIT_INTR] = "INTR",
        [KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
        [KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
    };

    return reason < ARRAY_SIZE(names) && names[reason] ? names[reason] : "?";
}

/* What the exit's own fields say, e.g. the port of an IO exit. */
static inline void describe_exit(const struct kvm_run *run, char *text,
                                 size_t size)
{
    switch (run->exit_reason) {
    case KVM_EXIT_UNKNOWN:
        snprintf(text, size, "hardware exit 0x%llx",
                 run->hw.hardware_exit_reason);
        break;
    case KVM_EXIT_IO:
        snprintf(text, size, "%s port 0x%x size %u",
                 run->io.direction == KVM_EXIT_IO_OUT ? "out" : "in",
                 run->io.port, run->io.size);
        break;
    case KVM_EXIT_MMIO:
        snprintf(text, size, "%s address 0x%llx size %u",
                 run->mmio.is_write ? "write" : "read",
                 run->mmio.phys_addr, run->mmio.len);
        break;
    case KVM_EXIT_FAIL_ENTRY:
        snprintf(text, size, "hardware reason 0x%llx",
                 run->fail_entry.hardware_entry_failure_reason);
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        snprintf(text, size, "suberror %u data 0x%llx 0x%llx",
                 run->internal.suberror,
                 run->internal.ndata > 0 ? run->internal.data[0] : 0,
                 run->internal.ndata > 1 ? run->internal.data[1] : 0);
        break;
    default:
        *text = 0;
    }
}

#endif
