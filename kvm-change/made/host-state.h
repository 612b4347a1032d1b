/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's state that #VMEXIT leaves as the guest had it: FS, GS, TR, LDTR,
 * KERNEL_GS_BASE, STAR, LSTAR, CSTAR, SFMASK and the SYSENTER MSRs.
 *
 * VMSAVE puts all of it into a page and VMLOAD takes it from there, so it needs
 * to be saved when the vCPU is loaded and is back after every #VMEXIT; nothing
 * is left to do when the vCPU is put.  Only TSC_AUX is not among it.
 */
#ifndef __SVM_HOST_STATE_H
#define __SVM_HOST_STATE_H

/*
 * The page is the one that VMRUN keeps its part of the host's state in: the two
 * parts share no byte.  They share cache lines, so the address is that of
 * VM_HSAVE_PA to the bit, without one that asks for encryption.
 *
 * This is used when GS (on 32-bit hosts FS) is still the guest's: no this_cpu_*
 * and nothing that calls anything.
 */
static __always_inline unsigned long svm_host_save_pa(int cpu)
{
	return page_to_pfn(per_cpu(svm_data, cpu)->save_area) << PAGE_SHIFT;
}

/*
 * For svm_vcpu_load(): the registers are this task's until it is scheduled out,
 * and then the vCPU is put, and loaded again.
 */
static inline void svm_save_host_state(struct vcpu_svm *svm, int cpu)
{
	asm volatile(__ex("vmsave %0")
		     : : "a" (svm_host_save_pa(cpu)) : "memory");

	if (static_cpu_has(X86_FEATURE_RDTSCP))
		rdmsrl(MSR_TSC_AUX, svm->host_tsc_aux);
}

/* Right after the guest's part was saved in its VMCB, while GIF is still 0. */
static __always_inline void svm_load_host_state(int cpu)
{
	asm volatile(__ex("vmload %0")
		     : : "a" (svm_host_save_pa(cpu)) : "memory");
}

/* For svm_vcpu_put(): the guest keeps its TSC_AUX until then. */
static inline void svm_load_host_tsc_aux(struct vcpu_svm *svm)
{
	if (static_cpu_has(X86_FEATURE_RDTSCP))
		wrmsrl(MSR_TSC_AUX, svm->host_tsc_aux);
}

#endif
