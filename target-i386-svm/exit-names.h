/*
 * Names of intercepts and exit codes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_EXIT_NAMES_H
#define TARGET_I386_SVM_EXIT_NAMES_H

/**
 * svm_exit_name: the name of an exit code (2: appendix C)
 *
 * Returns a string that the caller owns; the number in hexadecimal digits if
 * the code has no name.
 */
char *svm_exit_name(uint64_t code);

#endif
