# Every denied act, with a verdict. Yama lets a process trace others of its user, as without Yama.
[ ! -e /proc/sys/kernel/yama/ptrace_scope ] || echo 0 > /proc/sys/kernel/yama/ptrace_scope
# Debian keeps bpf(2) from users; whether its arguments would be read is what the twin shows.
bpf=/proc/sys/kernel/unprivileged_bpf_disabled
[ ! -e $bpf ] || echo 0 > $bpf
# Not in the root cgroup, which is no place to be hidden.
if mkdir /sys/fs/cgroup/tests 2> /dev/null; then echo $$ > /sys/fs/cgroup/tests/cgroup.procs; fi
export FLOWJAIL_TEST_PROBE=/var/tmp/t/probe FLOWJAIL_TEST_BINARY=/var/tmp/t/flowjail FLOWJAIL_TEST_VERDICTS=1
case_ acts /var/tmp/t/denied_acts
