/*
 * The last branch and the last exception (2: 13.1.1), and DEBUGCTL, which
 * has them recorded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_LAST_BRANCHES_H
#define TARGET_I386_SVM_LAST_BRANCHES_H

#include "register-sets.h"

#define DEBUGCTL_LBR            (1 << 0)    /* record branches */
#define DEBUGCTL_BTF            (1 << 1)    /* single-step branches only */
#define DEBUGCTL_PB             (0xf << 2)  /* pins: kept, without effect */
#define DEBUGCTL_DEFINED        (DEBUGCTL_LBR | DEBUGCTL_BTF | DEBUGCTL_PB)

/**
 * svm_update_branches_followed: call after a change of DEBUGCTL
 *
 * Code is translated to report its branches, or not to; a bit of hflags keeps
 * the two kinds of translations apart.
 */
void svm_update_branches_followed(CPUX86State *env);

/**
 * svm_load_guest_last_branches, svm_load_host_last_branches: the registers
 * of the guest at VMRUN, those of the host at #VMEXIT (2: 15.23)
 */
void svm_load_guest_last_branches(CPUX86State *env,
                                  const SVMRegisters *guest);
void svm_load_host_last_branches(CPUX86State *env);

#endif
