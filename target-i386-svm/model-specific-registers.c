/*
 * Rules of WRMSR that SVM relies on (3: WRMSR).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"

/**
 * x86_check_msr_is_canonical: #GP(0) if WRMSR would put an address that is
 * not canonical into the register in ECX
 *
 * SYSENTER_ESP and SYSENTER_EIP are not among them: KVM's reading is that
 * AMD's processors take any value there, and VMLOAD leaves it alone.
 */
void x86_check_msr_is_canonical(CPUX86State *env, uint64_t value,
                                uintptr_t retaddr)
{
#ifdef TARGET_X86_64
    switch ((uint32_t)env->regs[R_ECX]) {
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_FSBASE:
    case MSR_GSBASE:
    case MSR_KERNELGSBASE:
        if (sextract64(value, 0, cpu_x86_virtual_addr_width(env)) != value) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
        }
    }
#endif
}
