# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the guest of `./svm run --guest linux --workload ...` does; its init sources
# this.  guest_workloads.py says how much of it ($svm_amount), and what the results
# have to be: they depend on $svm_seed.
#
# For each workload there is what comes before the part that is measured, that part,
# and the report of its results.

# The host lets its meter run from "begin" to "end".  It answers when it is ready, and
# until then nothing is done here that would be measured, or not.
measured() {
    report "measured $1"
    read -r answer <&4
}

result() {
    report "result $1=$2"
}

pattern() {
    yes "$svm_seed" | head -c "$svm_amount" >/tmp/pattern
}

# The boot was measured: this is its first line.  That all of its files arrived can be
# seen afterwards.
boot_results() {
    result files "$({ echo "$svm_seed"; cat /bin/busybox; } | digest)"
}

compile() {
    program=0
    while [ $program -lt "$svm_amount" ]; do
        first=$((svm_seed + program))
        cc1 -quiet -ffreestanding -O2 -DFIRST=$first -DLAST=$((first + 5000)) \
            /lib/workload-program.c -o /tmp/program.s &&
            x86_64-linux-gnu-as /tmp/program.s -o /tmp/program.o &&
            x86_64-linux-gnu-ld /tmp/program.o -o /tmp/program$program
        program=$((program + 1))
    done
}

compile_results() {
    for program in /tmp/program[0-9]*; do
        result "${program#/tmp/}" "$($program)"
    done
}

disk_before() {
    load disk
    pattern
}

disk() {
    dd if=/tmp/pattern of=/dev/vda bs=4096 oflag=direct conv=notrunc,fsync
    dd if=/dev/vda of=/tmp/copy bs=4096 iflag=direct
} 2>/dev/null

disk_results() {
    result read "$(digest </tmp/copy)"
}

network_before() {
    load network
    ifconfig eth0 10.0.2.15 up
    pattern
}

# The VMM's network leads there to the host's own ports.
network() {
    wget -q -O /tmp/received http://10.0.2.2:8000/pattern
    nc 10.0.2.2 8001 </tmp/received
}

network_results() {
    result received "$(digest </tmp/received)"
}

syscalls_before() {
    pattern
}

# A read() and a write() for each byte.
syscalls() {
    dd if=/tmp/pattern of=/tmp/copy bs=1 2>/tmp/counts
}

syscalls_results() {
    result copy "$(digest </tmp/copy)"
    while read -r count _ which; do
        case $which in
        in | out) result "records-$which" "$count" ;;
        esac
    done </tmp/counts
}

# Of $EPOCHREALTIME, seconds with six digits behind the point.
microseconds() {
    echo "${1%.*}${1#*.}"
}

stty -echo <&4
case $svm_workload in
boot) took=$(($(now) * 10000)) ;;
*)
    [ "$svm_workload" = compile ] || "${svm_workload}_before"
    measured begin
    before=$EPOCHREALTIME
    "$svm_workload"
    after=$EPOCHREALTIME
    took=$(($(microseconds "$after") - $(microseconds "$before")))
    ;;
esac
measured end
report "time microseconds=$took"
"${svm_workload}_results"
