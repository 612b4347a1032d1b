#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first process of Xen's dom0.  Results go to the second serial port, which Xen
# leaves to dom0; the first one is Xen's console, and dom0's.

. /lib/init-functions.sh
report_to /dev/ttyS1

report "l1 kernel=$(uname -r) cpus=$(nproc)"
load dom0 || finish load-failed
mount -t xenfs xenfs /proc/xen
read -r type </sys/hypervisor/guest_type
version=/sys/hypervisor/version
report "xen version=$(cat $version/major).$(cat $version/minor)$(cat $version/extra)" \
    "type=$type capabilities=$(cat /proc/xen/capabilities)"
finish done
