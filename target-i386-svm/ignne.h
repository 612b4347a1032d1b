/*
 * IGNNE#, the pin that makes a processor ignore x87 errors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_IGNNE_H
#define TARGET_I386_SVM_IGNNE_H

void x86_cpu_assign_ignne(CPUX86State *env, bool asserted);
void x86_cpu_settle_ignne(CPUX86State *env);

#endif
