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

# A step of the way to a guest; what it says is wanted only if it fails.
try() {
    if ! "$@" >/tmp/output 2>&1; then
        report "failed what=\"$*\" why=\"$(tail -n 1 /tmp/output | tr '"' "'")\""
        cat /tmp/output /var/log/xen/*.log 2>/dev/null | sed 's/^/dom0: /' >/dev/console
        finish failed
    fi
}

# Starts xl's daemons and a guest, and waits for its end.
run_guest() {
    log=/var/log/xen/console/guest-L2.log
    mkdir -p /run/lock /run/xen /run/xenstored /var/lib/xen /var/lib/xenstored \
        /var/log/xen /etc/xen /dev/shm /dev/pts "${log%/*}"
    ln -s /run /run/lock /var
    # A guest's console is a terminal here, whose other side xenconsoled has.
    mount -t devpts devpts /dev/pts
    export PATH="/usr/lib/xen-$svm_xen/bin:$PATH"
    try xenstored --pid-file /run/xen/xenstored.pid
    try xen-init-dom0
    try xenconsoled --log=guest --log-dir="${log%/*}" --pid-file=/run/xen/xenconsoled.pid
    report "progress guest"
    try xl create /guest/L2.cfg
    tail -n +1 -f "$log" | while read -r line; do
        echo "L2: $line"
    done >/dev/console &
    while :; do
        state=$(xl list L2 2>/dev/null | awk 'NR == 2 { print $5 }')
        case $state in
        '' | ???s*) break ;;
        esac
        usleep 200000
    done
    # It was kept: what it said last may still be on its way.
    for _ in 1 2 3 4 5; do
        ! grep -q '^l1 end=' "$log" || break
        sleep 1
    done
    sleep 2                 # tail looks once a second
    [ -z "$state" ] || try xl destroy L2
    grep -a '^guest \|^l1 end=' "$log" | tr -d '\r' | while read -r line; do
        report "L2 $line"
    done
}

[ "$svm_guest" = none ] || run_guest
finish done
