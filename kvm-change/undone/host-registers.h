/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's state that #VMEXIT leaves as the guest had it, read and written
 * register by register: what VMSAVE and VMLOAD of the host save area replace.
 *
 * TSC_AUX is not among it, VMSAVE does not know it either.
 */
#ifndef __SVM_HOST_REGISTERS_H
#define __SVM_HOST_REGISTERS_H

static const u32 svm_host_msr_numbers[SVM_HOST_MSRS] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
#ifdef CONFIG_X86_64
	MSR_FS_BASE, MSR_KERNEL_GS_BASE,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
#endif
};

/* VMRUN of an SEV-ES guest goes on to use what VMSAVE saved. */
static inline void svm_read_host_registers(struct vcpu_svm *svm,
					   unsigned long save_area_pa)
{
	int i;

	if (sev_es_guest(svm->vcpu.kvm)) {
		vmsave(save_area_pa);
		return;
	}
	svm->host_ldt = kvm_read_ldt();
	savesegment(fs, svm->host_fs);
	savesegment(gs, svm->host_gs);
#ifdef CONFIG_X86_64
	rdmsrl(MSR_GS_BASE, svm->host_gs_base);
#endif
	for (i = 0; i < SVM_HOST_MSRS; i++)
		rdmsrl(svm_host_msr_numbers[i], svm->host_msrs[i]);
}

/*
 * What the kernel needs itself, GS_BASE or on 32-bit hosts FS, __svm_vcpu_run()
 * has loaded after each #VMEXIT.  Selectors first: they change the bases.
 */
static inline void svm_write_host_registers(struct vcpu_svm *svm)
{
	int i;

	/* No guest has run, or VMEXIT has restored them. */
	if (!svm->guest_state_loaded || sev_es_guest(svm->vcpu.kvm))
		return;

	kvm_load_ldt(svm->host_ldt);
#ifdef CONFIG_X86_64
	loadsegment(fs, svm->host_fs);
	load_gs_index(svm->host_gs);
#else
	loadsegment(gs, svm->host_gs);
#endif
	for (i = 0; i < SVM_HOST_MSRS; i++)
		wrmsrl(svm_host_msr_numbers[i], svm->host_msrs[i]);
}

#endif
